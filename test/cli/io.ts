import { PassThrough, Readable } from "node:stream";
import type { Io } from "../../src/cli/io.ts";

/** A world for one command line: what goes in, and what came out. */
export interface TestIo {
  readonly io: Io;
  readonly stdout: () => string;
  readonly stderr: () => string;
}

/** Makes the world. */
export function testIo(
  given: {
    stdin?: string;
    env?: Record<string, string>;
    terminal?: boolean;
    rows?: number;
    columns?: number;
    screen?: number;
    cwd?: string;
  } = {},
): TestIo {
  const out = collect();
  const err = collect();
  return {
    io: {
      stdin: Readable.from(given.stdin === undefined ? [] : [Buffer.from(given.stdin)]),
      stdout: out.stream,
      stderr: given.screen === undefined ? err.stream : Object.assign(err.stream, { fd: given.screen }),
      env: given.env ?? {},
      colorDepth: 1,
      cwd: given.cwd ?? "/",
      signal: new AbortController().signal,
      hurry: { signal: new AbortController().signal, patience: 0 },
      onHangup: () => undefined,
      terminal: given.terminal ?? false,
      columns: () => 40,
      rows: () => given.rows ?? 24,
      answer: { terminal: given.terminal ?? false, columns: () => given.columns ?? 40, rows: () => given.rows ?? 24 },
    },
    stdout: out.text,
    stderr: err.text,
  };
}

function collect(): { stream: PassThrough; text: () => string } {
  const stream = new PassThrough();
  let text = "";
  stream.on("data", chunk => {
    text += String(chunk);
  });
  return { stream, text: () => text };
}
