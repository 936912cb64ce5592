import { spawn } from "node:child_process";
import { Failure } from "../../lib/failure.ts";
import { cancelled } from "../cancelled.ts";

/** What a finished `nix` left. */
export interface NixOutput {
  /** 0 is success; -1: a signal ended it. */
  readonly exitCode: number;
  readonly stdout: string;
  /** At most the last 64 KiB. */
  readonly stderr: string;
}

/** How to run it. */
export interface NixOptions {
  readonly cwd?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Each line of stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

/** Runs the user's own `nix`. */
export type RunNix = (args: readonly string[], options?: NixOptions) => Promise<NixOutput>;

const MAX_STDOUT = 64 << 20;
const MAX_STDERR = 64 << 10;
/** Time for a cancelled `nix` to end by itself, in milliseconds. */
const TERM_PATIENCE = 500;

/** Runs `nix` from PATH without a shell. Throws a `Failure` if there is none. */
export const runNix: RunNix = (args, options = {}) => {
  options.signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<NixOutput>();
  const { cwd, env = process.env, signal } = options;
  const child = spawn("nix", args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  // Not by spawn's own `signal`: where the program is missing there is no process id, and Node would signal our whole process group (Node 24.18).
  const end = () => {
    if (child.pid === undefined) return;
    child.kill();
    // Nix in the middle of a long evaluation notes SIGTERM and goes on evaluating (Nix 2.8).
    const last = setTimeout(() => child.kill("SIGKILL"), TERM_PATIENCE);
    child.once("exit", () => clearTimeout(last));
  };
  signal?.addEventListener("abort", end, { once: true });
  const stdout = tail(MAX_STDOUT + 1);
  const stderr = tail(MAX_STDERR);
  const lines = lineSplitter(options.onLine);
  child.stdout.setEncoding("utf8").on("data", stdout.push);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr.push(text);
    lines(text);
  });
  child.on("error", cause => reject(signal?.aborted ? cancelled(signal.reason) : cannotRun(cause)));
  child.on("close", code => {
    signal?.removeEventListener("abort", end);
    if (signal?.aborted) return reject(cancelled(signal.reason));
    if (stdout.text().length > MAX_STDOUT) return reject(new Failure("failed", "nix", "nix printed more than 64 MiB"));
    resolve({ exitCode: code ?? -1, stdout: stdout.text(), stderr: stderr.text() });
  });
  return promise;
};

function cannotRun(cause: NodeJS.ErrnoException): Failure {
  if (cause.code !== "ENOENT") {
    return new Failure("failed", "this machine", `cannot run nix: ${cause.message}`, { cause });
  }
  return new Failure("failed", "this machine", "there is no nix in PATH (or the folder to work in is gone)", {
    reason: "nix-missing",
    fix: "install Nix: https://nixos.org/download (on Debian as root: apt install nix-bin)",
    cause,
  });
}

/** Keeps the last `limit` characters. */
function tail(limit: number): { push: (text: string) => void; text: () => string } {
  let kept = "";
  return {
    push: text => {
      kept = kept.length + text.length > limit ? (kept + text).slice(-limit) : kept + text;
    },
    text: () => kept,
  };
}

function lineSplitter(onLine: ((line: string) => void) | undefined): (text: string) => void {
  let rest = "";
  return text => {
    const parts = (rest + text).split("\n");
    rest = (parts.pop() ?? "").slice(-MAX_STDERR);
    for (const line of parts) onLine?.(line);
  };
}
