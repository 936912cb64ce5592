// Connect's own conformance suite over real Iroh: `npm run conformance [both] [client] [server]`. The runner and the suite's protos are a Go module.
import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chosenIroh } from "../src/iroh/choice.ts";

const version = "v1.0.5";
const root = join(import.meta.dirname, "..");
const cache = join(root, ".cache/conformance");
const runner = join(cache, "bin/connectconformance");
const suite = join(root, "test/conformance");
const PATH = `${join(root, "node_modules/.bin")}${delimiter}${process.env["PATH"]}`;

/** Runs a command to its end and returns what it printed; its errors are shown. Undefined if it failed. */
function read(command: string, ...args: string[]): string | undefined {
  const env = { ...process.env, PATH, GOBIN: join(cache, "bin"), GOFLAGS: "-mod=mod" };
  const { status, stdout } = spawnSync(command, args, {
    cwd: root,
    env,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) console.error(stdout);
  return status === 0 ? stdout : undefined;
}

function fail(what: string, fix: string): never {
  console.error(`error: ${what}\n\n  ${fix}`);
  process.exit(1);
}

/** Installs the runner once, and generates code from the suite's protos into the ignored folder. */
function prepare(): void {
  const module = `connectrpc.com/conformance@${version}`;
  const fix = `go install connectrpc.com/conformance/cmd/connectconformance@${version}`;
  if (
    !existsSync(runner) &&
    read("go", "install", `connectrpc.com/conformance/cmd/connectconformance@${version}`) === undefined
  ) {
    fail("cannot install the conformance runner", fix);
  }
  const found = read("go", "mod", "download", "-json", module);
  if (found === undefined) fail(`cannot find the Go module ${module}`, fix);
  const { Dir: dir }: { Dir: string } = JSON.parse(found);
  const out = join(cache, "gen");
  rmSync(out, { recursive: true, force: true });
  const plugin = { local: "protoc-gen-es", out, opt: ["target=js+dts", "import_extension=js"] };
  const template = JSON.stringify({ version: "v2", plugins: [plugin] });
  if (read("buf", "generate", join(dir, "proto"), "--template", template) === undefined) {
    fail("cannot generate code from the suite's protos", "npm run setup");
  }
  const types = read("tsc", "-p", suite);
  if (types === undefined) fail("the conformance programs do not fit the types", "npx tsc -p test/conformance");
}

/** Runs one mode of the suite, with the runner's report on our output. Returns whether all is as it should be. */
function run(mode: string): boolean {
  console.error(`\n== conformance, mode ${mode}`);
  const started = performance.now();
  const client = [process.execPath, join(suite, "client.ts"), mode];
  const server = [process.execPath, join(suite, "server.ts"), mode];
  const programs = { both: [...client, "----", ...server], client, server }[mode] ?? [];
  const args = [
    "--mode",
    mode,
    "--conf",
    join(suite, "config.yaml"),
    "--known-failing",
    `@${join(suite, `known-failing-${mode}.txt`)}`,
  ];
  const { status } = spawnSync(runner, [...args, "--", ...programs], { cwd: root, stdio: "inherit" });
  console.error(
    `== conformance, mode ${mode}: ${status === 0 ? "ok" : "FAILED"} (${((performance.now() - started) / 1000).toFixed(0)} s)`,
  );
  return status === 0;
}

const modes = process.argv.length > 2 ? process.argv.slice(2) : ["both", "client", "server"];
const unknown = modes.find(mode => !["both", "client", "server"].includes(mode));
if (unknown !== undefined) fail(`there is no mode ${unknown}`, "npm run conformance -- both client server");
if (spawnSync("go", ["version"]).error !== undefined) {
  console.error("conformance: skipped: Go is not installed");
  process.exit(0);
}
prepare();
console.error(`conformance: over ${chosenIroh().text} (DRV_THRU_IROH=native or number0 forces one)`);
process.exitCode = modes.map(run).every(ok => ok) ? 0 : 1;
