// Measures parts alone: `npm run bench:micro [-- WORD...]` those that run in one process, `npm run bench:micro -- iroh [flags]` and so on the others.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const own = ["iroh", "delay", "state", "clients", "closure"];
const [first = "", ...flags] = process.argv.slice(2);
const [script, args] = own.includes(first) ? [first, flags] : ["parts", process.argv.slice(2)];
const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `micro/${script}.ts`), ...args], {
  stdio: "inherit",
});
process.exitCode = status ?? 1;
