import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** How a process ended, and all it wrote. */
export interface Ended {
  /** The exit code, or `undefined` if a signal ended it. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running process whose output is kept. */
export interface Running {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Never rejects but where the program could not be started at all. */
  readonly ended: Promise<Ended>;
  /** What it has written so far. */
  written(stream?: "stdout" | "stderr"): string;
  /** Waits until what it wrote matches. Rejects if it ends before, with all it wrote. */
  until(pattern: RegExp, stream?: "stdout" | "stderr"): Promise<RegExpExecArray>;
}

/** Starts a program with exactly this environment, in a session of its own: a Ctrl-C reaches only whoever started it. */
export function start(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  extra: "pipe"[] = [],
): Running & { child: ChildProcess } {
  const [command = "", ...args] = argv;
  const child = spawn(command, args, { env, detached: true, cwd: "/", stdio: ["pipe", "pipe", "pipe", ...extra] });
  const { stdin, stdout, stderr } = child;
  if (!stdin || !stdout || !stderr) throw new Error(`${command}: no pipes`);
  const texts = { stdout: "", stderr: "" };
  stdout.setEncoding("utf8").on("data", (text: string) => (texts.stdout += text));
  stderr.setEncoding("utf8").on("data", (text: string) => (texts.stderr += text));
  // A program need not read what it is given.
  stdin.on("error", error => {
    if (!("code" in error) || error.code !== "EPIPE") child.emit("error", error);
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", status => resolve({ status: status ?? undefined, ...texts }));
  });
  ended.catch(() => undefined);
  const written = (stream: "stdout" | "stderr" = "stdout") => texts[stream];
  const until = (pattern: RegExp, stream: "stdout" | "stderr" = "stdout") =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const source = stream === "stdout" ? stdout : stderr;
      const look = () => {
        const match = pattern.exec(texts[stream]);
        if (match) settle(() => resolve(match));
      };
      const settle = (how: () => void) => {
        source.off("data", look);
        how();
      };
      source.on("data", look);
      const gone = () => new Error(`${argv.join(" ")}: ended before ${pattern}:\n${texts.stdout}${texts.stderr}`);
      ended.then(() => settle(() => reject(gone())), reject);
      look();
    });
  return { child, stdin, stdout, stderr, ended, written, until };
}
