import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const DIST = join(import.meta.dirname, "../../dist");
const read = new Map<string, string>();

/** The source file of a line, counted from 1, of one of the command's bundled files, or `undefined` where the bundle does not say. */
export function sourceOfBundled(name: string, line: number): string | undefined {
  const file = join(DIST, name);
  const text = read.get(name) ?? (existsSync(file) ? readFileSync(file, "utf8") : "");
  read.set(name, text);
  return sourceInBundle(text, line);
}

/** The bundler writes the name of each file as a comment before what is in it. */
export function sourceInBundle(bundle: string, line: number): string | undefined {
  const before = bundle.split("\n").slice(0, line).toReversed();
  return /^\/\/ (.+)$/.exec(before.find(text => /^\/\/ (src|gen|node_modules)\/\S+\.\w+$/.test(text)) ?? "")?.[1];
}
