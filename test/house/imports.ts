import { globSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, normalize } from "node:path";

/** One import of a source file. */
export interface Import {
  /** The importing file, from `src/`, such as `nix/nar.ts`. */
  readonly file: string;
  /** What stands between the quotes. */
  readonly specifier: string;
  /** The imported file from the checkout, such as `src/lib/ids.ts`, if it is one of ours. */
  readonly target: string | undefined;
  /** `import()`: loaded when it is reached. */
  readonly lazy: boolean;
  /** `import type`: gone when it runs. */
  readonly typeOnly: boolean;
}

const patterns = {
  from: /^(?:import|export)\s+(type\s)?[^"';]*?from\s+"([^"]+)"/gm,
  bare: /^import\s+"([^"]+)"/gm,
  lazy: /\bimport\(\s*([^)]*?)\s*\)/g,
};

/** Takes comments out, whole lines of them, so that an example in one is no import. */
function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, "").replace(/^\s*\/\/.*$/gm, "");
}

/** The imports of one source text. A dynamic import must name its module as plain text. */
export function importsOf(file: string, source: string): Import[] {
  const text = withoutComments(source);
  const made = (specifier: string, lazy: boolean, typeOnly: boolean): Import => {
    const own = specifier.startsWith(".");
    return {
      file,
      specifier,
      target: own ? normalize(join("src", dirname(file), specifier)) : undefined,
      lazy,
      typeOnly,
    };
  };
  const lazy = [...text.matchAll(patterns.lazy)].map(([whole, argument = ""]) => {
    const literal = /^"([^"]+)",?$/.exec(argument)?.[1];
    if (literal === undefined) throw new Error(`${file}: ${whole}: the house test cannot see what this loads`);
    return made(literal, true, false);
  });
  return [
    ...[...text.matchAll(patterns.from)].map(([, type, specifier = ""]) => made(specifier, false, type !== undefined)),
    ...[...text.matchAll(patterns.bare)].map(([, specifier = ""]) => made(specifier, false, false)),
    ...lazy,
  ];
}

/** Every import of every file under `src/`. */
export function readHouse(root: string): Import[] {
  const files = globSync("**/*.ts", { cwd: join(root, "src") }).sort();
  return files.flatMap(file => importsOf(file, readFileSync(join(root, "src", file), "utf8")));
}

/** What an import is held against: a room, an entry, a part of `gen`, the name of a package, or `node`. */
export function nameOf({ specifier, target }: Import): string {
  if (target === undefined) return isBuiltin(specifier) ? "node" : packageOf(specifier);
  if (target.startsWith("gen/")) return dirname(target);
  return target.startsWith("src/") ? (target.split("/")[1] ?? "") : target;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}
