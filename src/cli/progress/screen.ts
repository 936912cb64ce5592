import type { Io } from "../io.ts";
import { fit } from "./fit.ts";

/** Where progress is drawn. */
export interface Screen {
  /** A line that stays. */
  line(text: string): void;
  /** What is going on: on a terminal redrawn in place, else a line when its first word changes. */
  phase(text: string): void;
  /** A line that stays, also where progress is not wanted. */
  always(text: string): void;
  /** Leaves the terminal as it was. May be repeated. */
  close(): void;
}

/** The screen for these streams. */
export function screenFor(io: Io, quiet: boolean): Screen {
  const write = (text: string) => void io.stderr.write(text);
  if (quiet) return { line() {}, phase() {}, always: text => write(`${text}\n`), close() {} };
  return io.terminal ? terminalScreen(write, io.columns) : plainScreen(write);
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
    always: text => write(`${text}\n`),
    close() {},
  };
}

/** On a terminal the phase is the last line; other lines scroll above it. */
function terminalScreen(write: (text: string) => void, columns: () => number): Screen {
  let phase = "";
  let closed = false;
  const clear = () => (phase === "" ? "" : "\r\x1b[K");
  const draw = () => (phase === "" ? "" : fit(phase, columns()));
  const line = (text: string) => write(`${clear()}${text}\n${draw()}`);
  return {
    line,
    phase(text) {
      if (closed) return;
      const before = clear();
      phase = text;
      write(`${before}${draw()}`);
    },
    always: line,
    close() {
      if (!closed) write(clear());
      closed = true;
      phase = "";
    },
  };
}
