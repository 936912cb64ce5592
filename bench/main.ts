import { whyNoHosts } from "../test/hosts/can.ts";
import { whyNoLink } from "../test/hosts/link.ts";
import { help, readArguments } from "./arguments.ts";
import { writeDocs } from "./report/docs.ts";
import { thisMachine } from "./report/machine.ts";
import { report } from "./report/report.ts";
import { keepResults, type Results } from "./report/results.ts";
import { Runner } from "./run.ts";

/** `npm run bench`: drv-thru beside Nix's own ways to build on another machine, on two hosts of this one. */
async function main(): Promise<void> {
  const asked = readArguments(process.argv.slice(2));
  const missing = whyNoHosts() ?? whyNoLink();
  if (asked === undefined || missing !== undefined) {
    process.stdout.write(asked === undefined ? help() : `the bench ${missing}\n`);
    return;
  }
  const runner = new Runner(asked);
  let results: Results = { machine: thisMachine(process.argv.slice(2)), absent: runner.absent, rows: [] };
  process.once("SIGINT", () => void runner.stop().then(() => process.exit(130)));
  for (const [n, workload] of asked.workloads.entries()) {
    process.stderr.write(`[${n + 1}/${asked.workloads.length}] ${workload.id}\n`);
    results = { ...results, rows: [...results.rows, await runner.row(workload)] };
    keepResults(results);
  }
  process.stdout.write(`${report(results)}\n`);
  if (asked.docs) writeDocs(results);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
