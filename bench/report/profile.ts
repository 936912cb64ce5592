import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../test/hosts/host.ts";
import type { Setting } from "../setting/setting.ts";
import { sourceOfBundled } from "./bundled.ts";
import { RESULTS } from "./results.ts";

const SHOWN = 15;

/** What V8 writes: how often it saw which function, and after how many microseconds each time. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Node's options for a profile of a host's program, and what takes it from there. */
export function profileOptions(host: Host): string[] {
  return ["--cpu-prof", `--cpu-prof-dir=${folderOf(host)}`];
}

const folderOf = (host: Host) => `/home/${host.user}/profiles`;

/** Forgets the profiles of a host's programs that have ended. */
export function forgetProfiles(host: Host): void {
  rmSync(host.outside(folderOf(host)), { recursive: true, force: true });
}

/** Ends the builders, which write their profiles then; takes all profiles into `bench/results/` and says of each where its time went. */
export async function stopAndTakeProfiles({ builder, client, ours }: Setting): Promise<string> {
  for (const { serve } of ours.values()) {
    await serve.signal("SIGTERM");
    await serve.ended;
  }
  return [client, builder].flatMap(takeProfiles).join("\n");
}

function takeProfiles(host: Host): string[] {
  const folder = host.outside(folderOf(host));
  mkdirSync(RESULTS, { recursive: true });
  if (!existsSync(folder)) return [];
  return readdirSync(folder).map(name => {
    const file = join(RESULTS, `${host.user}-${name}`);
    copyFileSync(join(folder, name), file);
    return `${file}\n${summary(JSON.parse(readFileSync(file, "utf8")))}\n`;
  });
}

/** The functions that took the most time by themselves, of the main thread. */
function summary({ nodes, samples, timeDeltas }: CpuProfile): string {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const times = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const name = names.get(id) ?? "?";
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i] ?? 0));
  }
  const sorted = [...times].toSorted(([, a], [, b]) => b - a).slice(0, SHOWN);
  return sorted.map(([name, time]) => `${(time / 1e6).toFixed(2).padStart(8)} s  ${name}`).join("\n");
}

function nameOf({ functionName, url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const file = url.replace(/^.*\/(dist|node_modules)\//, "");
  const source = url.includes("/dist/") ? sourceOfBundled(file, lineNumber + 1) : undefined;
  const place = source ?? `${file}:${lineNumber + 1}`;
  return `${functionName || "(anonymous)"}${file === "" ? "" : ` ${place}`}`;
}
