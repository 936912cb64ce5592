// Bundles the command and the library into dist/: half of `npm run build`, and all that Nix's package needs. Needs esbuild in PATH and the packages in
// node_modules.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const metafile = join(dist, "command.json");

const common = [
  "--bundle",
  "--splitting",
  "--format=esm",
  "--platform=node",
  "--target=node24",
  // clipanion has its modules beside its scripts, and does not say so.
  "--alias:clipanion=./node_modules/clipanion/lib/advanced/index.mjs",
  "--resolve-extensions=.ts,.mjs,.js",
  "--entry-names=[name]",
  "--legal-comments=none",
  // Packages keep their names where node_modules is a link.
  "--preserve-symlinks",
  "--log-level=warning",
  `--outdir=${dist}`,
];

/** What brings binaries, or loads files of its own by their names. */
const OUTSIDE = ["@number0/iroh", "lmdb", "pino"];

/** Bundles entries, each with what it loads later in files beside it. */
function bundle(entries: readonly string[], options: readonly string[]): void {
  execFileSync("esbuild", [...entries, ...common, ...options], { cwd: root, stdio: "inherit" });
}

/**
 * Takes Node's own modules as functions hand them out. An `import` of one also reads every name that it has, and some of those load what the command
 * never uses, such as the Web Crypto of `node:crypto`: a fifth of what Node's modules cost a start.
 */
function takeBuiltins(file: string): void {
  const text = readFileSync(file, "utf8");
  const taken = text.replaceAll(
    /^import (\{[^}]*\}) from ("[a-z:_/0-9]+");$/gm,
    (line, names: string, module: string) => {
      return isBuiltin(JSON.parse(module))
        ? `const ${names.replaceAll(" as ", ": ")} = process.getBuiltinModule(${module});`
        : line;
    },
  );
  writeFileSync(file, taken);
}

/** The packages of which something is in the bundle of the command. */
function packagesIn(file: string): string[] {
  const { inputs } = JSON.parse(readFileSync(file, "utf8")) as { inputs: Record<string, unknown> };
  const names = Object.keys(inputs).flatMap(
    path => /(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
  return [...new Set(names)].sort();
}

/** Whoever passes their code on passes their licences on. */
function licenceOf(name: string): string {
  const folder = join(root, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<string, string>;
  const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
  const text = file === undefined ? "" : `\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  return `${name} ${version}, ${license}\n${text}`;
}

rmSync(dist, { recursive: true, force: true });
bundle(
  ["src/bin.ts", "src/state/probe-child.ts"],
  ["--chunk-names=command-[hash]", `--metafile=${metafile}`, ...OUTSIDE.map(name => `--external:${name}`)],
);
for (const name of readdirSync(dist).filter(name => /^command-.*\.js$/.test(name))) takeBuiltins(join(dist, name));
// Whoever uses the library has these packages too, and shares them with it.
bundle(["src/index.ts", "src/connect-iroh.ts"], ["--chunk-names=library-[hash]", "--packages=external"]);
writeFileSync(
  join(dist, "LICENCES.txt"),
  packagesIn(metafile)
    .map(licenceOf)
    .join(`\n${"-".repeat(80)}\n\n`),
);
rmSync(metafile);
if (!existsSync(join(dist, "bin.js"))) throw new Error("esbuild made no dist/bin.js");
