// Stands in for `nix copy`: asks the cache for every path as Nix would, and writes down what it was given and what it met.
// usage: fake-nix.ts REPORT NIX-ARGUMENT...
import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import type { NixReport } from "./world.ts";

const [report = "", ...args] = process.argv.slice(2);
const base = args[args.indexOf("--from") + 1] ?? "";
const paths = args.slice(args.indexOf("--") + 1);
const met: Record<string, { status: number; text: string } | string> = {};
let failed = false;
const inherited = descriptors();
const stdin = readlinkSync("/proc/self/fd/0");

await get("nix-cache-info");
for (const path of paths) {
  const narinfo = await get(`${path.slice(11, 43)}.narinfo`);
  const url = /^URL: (.*)$/m.exec(narinfo)?.[1];
  if (url !== undefined) await get(url);
}
const env = process.env as Record<string, string>;
const result: NixReport = { args, env, stdin, descriptors: inherited, met };
writeFileSync(report, JSON.stringify(result));
if (failed) process.stderr.write("error: the fake met a refusal\n");
process.exitCode = failed ? 1 : 0;

async function get(file: string): Promise<string> {
  try {
    const response = await fetch(/^[a-z]+:/.test(file) ? file : `${base}/${file}`);
    const text = await response.text();
    met[file] = { status: response.status, text };
    failed ||= response.status !== 200;
    return response.status === 200 ? text : "";
  } catch (error) {
    failed = true;
    met[file] = String(error);
    return "";
  }
}

function descriptors(): string[] {
  const open = readdirSync("/proc/self/fd").filter(fd => Number(fd) > 2);
  return open.flatMap(fd => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // the one that listed them
    }
  });
}
