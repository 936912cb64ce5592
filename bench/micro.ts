// Measures one part alone: `npm run bench:micro -- iroh [flags]`.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const parts = ["iroh", "state", "clients"];
const [part = "", ...flags] = process.argv.slice(2);
if (parts.includes(part)) {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `micro/${part}.ts`), ...flags], {
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
} else {
  console.error(`error: there is no part ${JSON.stringify(part)}\n\n  npm run bench:micro -- ${parts.join(" | ")}`);
  process.exitCode = 2;
}
