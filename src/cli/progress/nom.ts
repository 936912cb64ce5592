import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** A running `nom --json`. It is a guest of the screen: nothing that it does, or leaves undone, harms the build. */
export interface Nom {
  /** Hands it lines. What it takes too slowly ends it. */
  write(lines: string): void;
  /** Tells it that this was all, and waits until it is gone: not long. */
  end(): Promise<void>;
}

/** How nom is run. */
export interface NomOptions {
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where it draws: a file descriptor, usually of stderr. Its own stdout goes there too. */
  readonly screen: number;
  /** It is gone before it was told to end, with the reason. Called at most once. */
  readonly onGone: (why: string) => void;
}

/** Bytes that may wait for it: thousands of lines. */
const MAX_WAITING = 4 * 1024 * 1024;
/** Time that it has to draw its last lines, in milliseconds. */
const LAST_LINES = 3_000;

/** The program in PATH, or `undefined`. */
export function findNom(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const folders = (env["PATH"] ?? "").split(delimiter).filter(folder => folder.startsWith("/"));
  return folders.map(folder => join(folder, "nom")).find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Not there, or not for us: the next folder may have one.
    return false;
  }
}

/** Starts it. Never throws: what goes wrong is told to `onGone`. */
export function startNom({ program, env, screen, onGone }: NomOptions): Nom {
  const child = spawn(program, ["--json"], { stdio: ["pipe", screen, screen], env: { ...env } });
  const closed = Promise.withResolvers<void>();
  let over = false;
  const gone = (why: string) => {
    if (!over) onGone(why);
    over = true;
  };
  child.on("error", error => {
    gone(error.message);
    closed.resolve();
  });
  child.on("close", (code, signal) => {
    gone(`it ended with ${signal ?? `exit code ${code}`}`);
    closed.resolve();
  });
  // Its end is told by "close".
  child.stdin?.on("error", () => undefined);
  return {
    write(lines) {
      if (over || lines === "" || !child.stdin) return;
      child.stdin.write(lines);
      if (child.stdin.writableLength <= MAX_WAITING) return;
      gone("it does not keep up");
      child.kill("SIGKILL");
    },
    end: async () => {
      over = true;
      child.stdin?.end();
      await within(closed.promise, child);
    },
  };
}

async function within(closed: Promise<void>, child: ChildProcess): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), LAST_LINES);
  try {
    await closed;
  } finally {
    clearTimeout(timer);
  }
}
