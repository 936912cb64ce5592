// The main job between each two of the Nix versions that Debian has: `npm run test:nix-versions`. Prints a matrix.
import { join } from "node:path";
import { whyNoHosts } from "../test/hosts/can.ts";
import { releases, systemOf } from "../test/nix-versions/debian.ts";
import { type Machine, tryPair } from "../test/nix-versions/pair.ts";

const cache = join(import.meta.dirname, "../.cache/nix-versions");

const why = whyNoHosts();
if (why !== undefined) {
  console.log(`nix-versions: skipped: ${why}`);
  process.exit(0);
}
const machines: Machine[] = [];
for (const release of releases) {
  const system = systemOf(release, cache);
  if ("why" in system) console.log(`${release.name}: skipped: ${system.why}`);
  else machines.push({ name: release.name, system: system.folder });
}
const rows: string[][] = [["builder \\ client", ...machines.map(({ name }) => name)]];
const failures: string[] = [];
for (const builder of machines) {
  const row = [builder.name];
  for (const client of machines) {
    const found = await tryPair(builder, client);
    row.push(found.failures.length === 0 ? `ok (${found.versions})` : `FAILED (${found.versions})`);
    failures.push(...found.failures.map(text => `builder ${builder.name}, client ${client.name}: ${text}`));
    console.log(`builder ${builder.name}, client ${client.name}: ${row.at(-1)}`);
  }
  rows.push(row);
}
const widths = rows[0]?.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0))) ?? [];
console.log(
  `\n${rows
    .map(row =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n")}`,
);
for (const text of failures) console.error(`\n${text}`);
process.exitCode = failures.length === 0 ? 0 : 1;
