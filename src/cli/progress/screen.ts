import type { Io } from "../io.ts";
import { fit } from "./fit.ts";

/** Where progress is drawn. */
export interface Screen {
  /** A line that stays. */
  line(text: string): void;
  /** What is going on: without a terminal a line when its first words change. */
  phase(text: string): void;
  /** What is drawn in place has changed. */
  changed(): void;
  /** A line that stays, also where progress is not wanted. */
  always(text: string): void;
  /** Leaves the terminal as it was. May be repeated. */
  close(): void;
}

/** The lines to be drawn in place at this moment, at most so many. */
export type DrawLines = (most: number) => readonly string[];

/** The screen for these streams. `lines`: what a terminal shows below the lines that stay. */
export function screenFor(io: Io, quiet: boolean, lines: DrawLines): Screen {
  const write = (text: string) => void io.stderr.write(text);
  if (quiet) return { line() {}, phase() {}, changed() {}, always: text => write(`${text}\n`), close() {} };
  return io.terminal ? terminalScreen(write, io, lines) : plainScreen(write);
}

/** Without a terminal a phase is said once: its first two words, whatever the counts. */
function plainScreen(write: (text: string) => void): Screen {
  const said = new Set<string>();
  return {
    line: text => write(`${text}\n`),
    phase(text) {
      const phase = text
        .split(" ", 2)
        .join(" ")
        .replace(/\d+\/\d+/, "");
      if (!said.has(phase)) write(`${text}\n`);
      said.add(phase);
    },
    changed() {},
    always: text => write(`${text}\n`),
    close() {},
  };
}

/** Most lines that are drawn in place. */
const MOST_LINES = 10;
/** Changes are drawn together, after so many milliseconds: a log of thousands of lines does not flicker. */
const GATHER = 50;
/** Elapsed times are drawn anew so often. */
const TICK = 500;

/** On a terminal what goes on is drawn in the last lines; other lines scroll above them. */
function terminalScreen(write: (text: string) => void, io: Io, lines: DrawLines): Screen {
  let drawn = 0;
  let waiting: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  const clear = () => (drawn === 0 ? "" : `\r${drawn > 1 ? `\x1b[${drawn - 1}A` : ""}\x1b[J`);
  const draw = () => {
    clearTimeout(timer);
    timer = undefined;
    const stay = waiting.map(text => `${text}\n`).join("");
    waiting = [];
    const rows = closed ? [] : lines(Math.min(MOST_LINES, Math.max(1, io.rows() - 1)));
    write(`${clear()}${stay}${rows.map(row => fit(row, io.columns())).join("\n")}`);
    drawn = rows.length;
  };
  const changed = () => {
    if (!closed) timer ??= setTimeout(draw, GATHER);
  };
  const line = (text: string) => {
    waiting.push(text);
    // Without bounds only as long as the loop is busy: whoever feeds us pauses between events.
    if (closed || waiting.length >= 1_000) draw();
    else changed();
  };
  const ticking = setInterval(changed, TICK);
  return {
    line,
    phase() {},
    changed,
    always: line,
    close() {
      if (closed) return;
      closed = true;
      clearInterval(ticking);
      draw();
    },
  };
}
