// What a large closure costs a client and a builder in one process, with a Nix in memory: planned, named, uploaded in part, vouched for, checked.
// usage: node bench/micro/closure.ts [--paths 100000] [--missing 20]
import type { TestContext } from "node:test";
import { parseArgs } from "node:util";
import { buildLargeClosure, largeClosure } from "../../test/server/closure-story.ts";
import { world } from "../../test/server/world.ts";

const { values } = parseArgs({
  options: { paths: { type: "string", default: "100000" }, missing: { type: "string", default: "20" } },
});
const after: (() => unknown)[] = [];
const context: Pick<TestContext, "after"> = { after: work => void after.push(work as () => unknown) };
const closure = largeClosure(Number(values.paths));
const made = process.memoryUsage().rss / 2 ** 20;
const { steps, asked, answered } = await buildLargeClosure(await world(context), closure, Number(values.missing));
console.log("| step | CPU s | MiB of heap after it |\n|---|---|---|");
for (const { what, seconds, heapMib } of steps)
  console.log(`| ${what} | ${seconds.toFixed(2)} | ${heapMib.toFixed(0)} |`);
const peak = process.resourceUsage().maxRSS / 1024;
console.log(
  `\n${asked.messages} messages there, ${answered.messages} back, at most ${Math.max(asked.mostInfos, answered.mostInfos)} infos in one`,
);
console.log(`${made.toFixed(0)} MiB resident with the closure made, ${peak.toFixed(0)} at most`);
for (const work of after) await work();
