import type { TransferProgress } from "../events.ts";

/** Counts a transfer and reports it at most ten times a second. */
export interface Meter {
  /** Bytes of NAR so far. */
  readonly bytes: number;
  readonly paths: number;
  /** Bytes over the wire so far. */
  readonly wireBytes: number;
  expect(paths: number, bytes: number): void;
  addBytes(count: number): void;
  addWireBytes(count: number): void;
  addPaths(count: number): void;
  /** Reports now. */
  flush(): void;
}

const INTERVAL_MS = 100;

/** Makes a {@link Meter}. */
export function createMeter(report: (progress: TransferProgress) => void): Meter {
  const now = { paths: 0, totalPaths: 0, bytes: 0, totalBytes: 0, wireBytes: 0 };
  let last = 0;
  const flush = () => {
    last = performance.now();
    report({ ...now });
  };
  const change = (field: keyof typeof now, by: number) => {
    now[field] += by;
    if (performance.now() - last >= INTERVAL_MS) flush();
  };
  return {
    get bytes() {
      return now.bytes;
    },
    get paths() {
      return now.paths;
    },
    get wireBytes() {
      return now.wireBytes;
    },
    expect: (paths, bytes) => {
      now.totalPaths += paths;
      now.totalBytes += bytes;
      flush();
    },
    addBytes: count => change("bytes", count),
    addWireBytes: count => change("wireBytes", count),
    addPaths: count => change("paths", count),
    flush,
  };
}
