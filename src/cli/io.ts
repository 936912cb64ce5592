import type { BaseContext } from "clipanion";

/** What a command may touch of the world: injected, so that tests run commands without a process of their own. */
export interface Io extends BaseContext {
  /** The folder that relative paths start from. */
  readonly cwd: string;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** The second one: what is left has `patience` milliseconds to leave; 0 unless a command says otherwise. */
  readonly hurry: { readonly signal: AbortSignal; patience: number };
  /** Calls back at each SIGHUP, which from then on does not end the process. */
  readonly onHangup: (listener: () => void) => void;
  /** Whether stderr is a terminal that can redraw lines. */
  readonly terminal: boolean;
  /** Width of the terminal: its own, else `COLUMNS`, else 72. */
  readonly columns: () => number;
  /** Its height: its own, else `LINES`, else 24. */
  readonly rows: () => number;
  /** The same of stdout, for an answer that is drawn in place. */
  readonly answer: { readonly terminal: boolean; readonly columns: () => number; readonly rows: () => number };
}

/** The folder in which the command was started, or `undefined` where somebody has removed it. */
export function workingFolder(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
}

/** Whether a stream is a terminal on which lines can be drawn anew. */
export function canRedraw(stream: { isTTY?: boolean }, env: Record<string, string | undefined>): boolean {
  return stream.isTTY === true && env["TERM"] !== "dumb";
}

/** The height to draw in: of the stream if it is a terminal, then `LINES`, then 24. */
export function heightOf(stream: { rows?: number }, env: Record<string, string | undefined>): number {
  return firstCount(stream.rows, env["LINES"]) ?? 24;
}

/** The width to draw in: of the stream if it is a terminal, then `COLUMNS`, then 72. */
export function widthOf(stream: { columns?: number }, env: Record<string, string | undefined>): number {
  return firstCount(stream.columns, env["COLUMNS"]) ?? 72;
}

function firstCount(own: number | undefined, wanted: string | undefined): number | undefined {
  if (own !== undefined && own > 0) return own;
  const count = Number(wanted);
  return Number.isInteger(count) && count > 0 ? count : undefined;
}
