// Builds on someone else's machine and says what happens; Ctrl-C cancels, on the builder too.
//   DRV_THRU_TICKET=drvthru… node examples/build.ts [INSTALLABLE...] [-f FILE]

// In a program of your own: from "drv-thru".
import { connect, Failure } from "../src/index.ts";

const words = process.argv.slice(2);
const flag = words.indexOf("-f");
const file = flag < 0 ? undefined : words.splice(flag, 2)[1];
const ticket = process.env["DRV_THRU_TICKET"] ?? "";

const abort = new AbortController();
process.once("SIGINT", () => abort.abort());

try {
  await using builder = await connect({ target: { ticket }, signal: abort.signal });
  console.error(
    `accepted as ${builder.principal?.acceptedAs}; ${(await builder.status()).queuedCount} builds are waiting`,
  );
  const run = builder.build({ installables: words, file, signal: abort.signal });
  for await (const event of run) {
    if (event.kind === "missing") console.error(`the builder lacks ${event.paths} of ${event.of} paths`);
    if (event.kind === "queued") console.error(`waiting, place ${event.position}`);
    if (event.kind === "log") console.error(`> ${event.text}`);
    if (event.kind === "imported") console.error(`imported ${event.path}`);
  }
  const report = await run.result;
  for (const { outputs } of report.derivations) for (const path of Object.values(outputs)) console.log(path);
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = error instanceof Failure && error.code === "unreachable" ? 3 : 1;
}
