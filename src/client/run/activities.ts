import type { FailedDerivation } from "../report.ts";

/** Which derivation an activity is of, and the last lines of each log. */
export interface Activities {
  begin(activity: number, path: string): void;
  /** The path, or empty for an activity that is not known. */
  pathOf(activity: number): string;
  end(activity: number): void;
  log(path: string, line: string): void;
  lastLines(path: string): FailedDerivation["lastLines"];
}

const MAX_LINES = 25;
/** More at once than any builder runs; the oldest are forgotten. */
const MAX_KEPT = 4096;

/** Makes {@link Activities}. */
export function createActivities(): Activities {
  const running = new Map<number, string>();
  const logs = new Map<string, string[]>();
  return {
    begin: (activity, path) => keep(running, activity, path),
    pathOf: activity => running.get(activity) ?? "",
    end: activity => {
      running.delete(activity);
    },
    log: (path, line) => {
      const lines = logs.get(path) ?? [];
      if (lines.length === MAX_LINES) lines.shift();
      lines.push(line);
      // Newest last, so that the logs that are forgotten first are those that have been silent longest.
      logs.delete(path);
      keep(logs, path, lines);
    },
    lastLines: path => logs.get(path) ?? [],
  };
}

function keep<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.set(key, value);
  if (map.size <= MAX_KEPT) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
