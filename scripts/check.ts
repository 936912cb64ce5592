// The one command that checks everything: `npm run check`. Every step runs, also after one that failed; the tests come last.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const root = join(import.meta.dirname, "..");
const env = { ...process.env, PATH: `${join(root, "node_modules/.bin")}${delimiter}${process.env["PATH"]}` };

/** A check: its name, and the command, or what runs it and says whether it held. */
type Step = readonly [name: string, run: readonly string[] | (() => boolean)];

const steps: readonly Step[] = [
  ["format and lint", ["biome", "check", "--error-on-warnings", "."]],
  ["types", ["tsc", "-p", "."]],
  ["protos", ["buf", "lint"]],
  ["protos break nobody", ["buf", "breaking", "--against", "proto/baseline.binpb"]],
  ["generated code is current", generatedIsCurrent],
  ["unused code and dependencies", ["knip"]],
  ["tests", ["npm", "run", "--silent", "test:fast"]],
  ["tests on two Nix hosts", ["npm", "run", "--silent", "test:e2e"]],
];

/** No step takes longer than this, in milliseconds: a test that hangs must not hang whoever waits for it. */
const patience = 30 * 60_000;

/** Runs a command in the checkout, its output on ours. */
function run([command, ...args]: readonly string[]): boolean {
  const { status, error } = spawnSync(command ?? "", args, { cwd: root, env, stdio: "inherit", timeout: patience });
  if (error) console.error(`error: ${command}: ${error.message}`);
  return status === 0;
}

/** How code is generated, and where it goes. */
const templates = [
  ["buf.gen.yaml", "gen"],
  ["test/transport/buf.gen.yaml", "test/transport/gen"],
  ["examples/greeter/buf.gen.yaml", "examples/greeter/gen"],
] as const;

/** Generates into a folder of its own and compares: the check itself changes nothing. */
function generatedIsCurrent(): boolean {
  const fresh = mkdtempSync(join(tmpdir(), "drv-thru-gen-"));
  try {
    return templates.every(([template, made]) => {
      if (!run(["buf", "generate", "--template", template, "--output", fresh])) return false;
      const same = run(["diff", "-r", join(fresh, made), made]);
      if (!same) console.error(`error: ${made} is not what its proto files give\n\n  npm run generate`);
      return same;
    });
  } finally {
    rmSync(fresh, { recursive: true });
  }
}

const failed: string[] = [];
for (const [name, how] of steps) {
  console.error(`\n== ${name}`);
  const started = performance.now();
  const held = typeof how === "function" ? how() : run(how);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.error(`== ${name}: ${held ? "ok" : "FAILED"} (${seconds} s)`);
  if (!held) failed.push(name);
}
console.error(failed.length === 0 ? "\ncheck: all is well" : `\ncheck: failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
