import { AtermReader, atermList, atermString } from "./aterm.ts";
import { FormatError, quoted } from "./format-error.ts";
import { type Hash, type HashAlgorithm, parseHash, parseHashAlgorithm } from "./hash.ts";
import { isDerivationPath, parseStorePath, type StorePath } from "./store-path.ts";

/**
 * `Derive([OUTPUT,…],[INPUT,…],["SOURCE",…],"SYSTEM","BUILDER",["ARG",…],[("KEY","VALUE"),…])` where
 * OUTPUT is `("NAME","PATH","[METHOD:]ALGO","HASH")` and INPUT is `("DRV",["OUTPUT",…])`. Nothing else, no white space.
 * What is there twice is refused, because Nix's versions do not agree which of the two counts.
 */

/** How the content of a fixed or floating output is addressed. */
type OutputMethod = "flat" | "nar" | "text" | "git";

/** One output. `deferred`: the path depends on content that is not built yet. */
export type DerivationOutput =
  | { readonly kind: "input-addressed"; readonly path: StorePath }
  | { readonly kind: "fixed"; readonly path: StorePath; readonly method: OutputMethod; readonly hash: Hash }
  | { readonly kind: "floating"; readonly method: OutputMethod; readonly algorithm: HashAlgorithm }
  | { readonly kind: "impure"; readonly method: OutputMethod; readonly algorithm: HashAlgorithm }
  | { readonly kind: "deferred" };

/** A derivation. Iteration is in the order of the file. */
export interface Derivation {
  readonly outputs: ReadonlyMap<string, DerivationOutput>;
  /** Output names by derivation. */
  readonly inputDerivations: ReadonlyMap<StorePath, readonly string[]>;
  readonly inputSources: readonly StorePath[];
  readonly system: string;
  readonly builder: string;
  readonly args: readonly string[];
  readonly env: ReadonlyMap<string, string>;
}

/** Longest `.drv` file in bytes that is read. */
export const MAX_DERIVATION = 64 << 20;

const NAME = /^[0-9A-Za-z+\-._?=]{1,211}$/;
const METHOD = { "": "flat", "r:": "nar", "text:": "text", "git:": "git" } as const;
const PREFIX = { flat: "", nar: "r:", text: "text:", git: "git:" } as const;

/** Reads a `.drv` file. Bytes that are not UTF-8 become U+FFFD. Throws {@link FormatError}. */
export function parseDerivation(file: Uint8Array): Derivation {
  if (file.length > MAX_DERIVATION) throw new FormatError(`a derivation of ${file.length} bytes is too long`);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(file);
  if (text.startsWith("DrvWithVersion(")) {
    throw new FormatError("this derivation depends on a derivation that a build makes (dynamic derivations)", {
      reason: "dynamic-derivation",
      fix: "build the outer derivation with nix build, or take the experimental feature dynamic-derivations out of the expression",
    });
  }
  const read = new AtermReader(text);
  read.expect("Derive(");
  const outputs = uniqueMap(read.list(() => readOutput(read)));
  read.expect(",");
  const inputDerivations = uniqueMap(read.list(() => readInput(read)));
  read.expect(",");
  const inputSources = read.list(() => storePath(read.string()));
  read.expect(",");
  const system = read.string();
  read.expect(",");
  const builder = read.string();
  read.expect(",");
  const args = read.list(() => read.string());
  read.expect(",");
  const env = uniqueMap(read.list(() => pair(read.tuple(2))));
  read.expect(")");
  read.end();
  if (outputs.size === 0) throw new FormatError("a derivation has no outputs");
  return { outputs, inputDerivations, inputSources, system, builder, args, env };
}

/** A derivation as a `.drv` file holds it, in the given order: Nix sorts everything but the arguments. */
export function formatDerivation(drv: Derivation): string {
  const inputs = [...drv.inputDerivations].map(([path, names]) => `(${atermString(path)},${strings(names)})`);
  const parts = [
    atermList([...drv.outputs].map(([name, output]) => formatOutput(name, output))),
    atermList(inputs),
    strings(drv.inputSources),
    atermString(drv.system),
    atermString(drv.builder),
    strings(drv.args),
    atermList([...drv.env].map(tuple)),
  ];
  return `Derive(${parts.join(",")})`;
}

/** The kind that all outputs of a derivation are of. Throws {@link FormatError} if they differ. */
export function derivationKind(drv: Derivation): DerivationOutput["kind"] {
  const [first, ...others] = new Set([...drv.outputs.values()].map(output => output.kind));
  if (first === undefined || others.length > 0) throw new FormatError("a derivation mixes kinds of outputs");
  if (first === "fixed" && (drv.outputs.size !== 1 || !drv.outputs.has("out"))) {
    throw new FormatError("a derivation with a fixed hash has other outputs than out");
  }
  return first;
}

/** The features a machine must have to build this: `requiredSystemFeatures`, also of structured attributes, and `ca-derivations` where paths are not known. */
export function requiredSystemFeatures(drv: Derivation): Set<string> {
  const features = new Set(wordsOf(drv, "requiredSystemFeatures"));
  if (!["input-addressed", "fixed"].includes(derivationKind(drv))) features.add("ca-derivations");
  return features;
}

function wordsOf(drv: Derivation, name: string): string[] {
  const json = drv.env.get("__json");
  if (json === undefined) return (drv.env.get(name) ?? "").split(/[ \t\n\r]+/).filter(word => word !== "");
  const value = structuredAttribute(json, name);
  if (value === undefined) return [];
  if (Array.isArray(value) && value.every(word => typeof word === "string")) return value;
  throw new FormatError(`the structured attribute ${name} of a derivation is not a list of strings`);
}

function structuredAttribute(json: string, name: string): unknown {
  let attributes: unknown;
  try {
    attributes = JSON.parse(json);
  } catch (cause) {
    throw new FormatError("the structured attributes of a derivation are not JSON", { cause });
  }
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)) {
    throw new FormatError("the structured attributes of a derivation are not an object");
  }
  return Object.entries(attributes).find(([key]) => key === name)?.[1];
}

function readOutput(read: AtermReader): [string, DerivationOutput] {
  const [name = "", path = "", algo = "", hash = ""] = read.tuple(4);
  return [outputName(name), parseOutput(path, algo, hash)];
}

function parseOutput(path: string, algo: string, hash: string): DerivationOutput {
  if (algo === "") {
    if (hash !== "") throw new FormatError("an output has a hash without an algorithm");
    return path === "" ? { kind: "deferred" } : { kind: "input-addressed", path: storePath(path) };
  }
  const [, prefix, name = ""] = /^(r:|text:|git:|)([a-z0-9]+)$/.exec(algo) ?? [];
  const algorithm = parseHashAlgorithm(name);
  if (prefix === undefined || algorithm === undefined) {
    throw new FormatError(`an output has the unknown hash algorithm ${quoted(algo)}`);
  }
  const method = METHOD[prefix as keyof typeof METHOD];
  if (hash === "" || hash === "impure") {
    if (path !== "") throw new FormatError("an output without a fixed hash has a path");
    return { kind: hash === "" ? "floating" : "impure", method, algorithm };
  }
  const digest = parseHash(`${algorithm}:${hash}`);
  if (digest === undefined) throw new FormatError(`an output has the bad hash ${quoted(hash)}`);
  return { kind: "fixed", path: storePath(path), method, hash: digest };
}

function formatOutput(name: string, output: DerivationOutput): string {
  if (output.kind === "input-addressed") return tuple([name, output.path, "", ""]);
  if (output.kind === "deferred") return tuple([name, "", "", ""]);
  const prefix = PREFIX[output.method];
  if (output.kind === "fixed") return tuple([name, output.path, prefix + output.hash.algorithm, output.hash.hex]);
  return tuple([name, "", prefix + output.algorithm, output.kind === "impure" ? "impure" : ""]);
}

function readInput(read: AtermReader): [StorePath, string[]] {
  read.expect("(");
  const path = storePath(read.string());
  if (!isDerivationPath(path)) throw new FormatError(`${path} is not a derivation but an input for its outputs`);
  read.expect(",");
  const names = read.list(() => outputName(read.string()));
  read.expect(")");
  return [path, names];
}

function storePath(text: string): StorePath {
  const path = parseStorePath(text);
  if (path === undefined) throw new FormatError(`a derivation has ${quoted(text)} in place of a store path`);
  return path;
}

function outputName(text: string): string {
  if (!NAME.test(text)) throw new FormatError(`a derivation has an output named ${quoted(text)}`);
  return text;
}

function pair([key = "", value = ""]: string[]): [string, string] {
  return [key, value];
}

function tuple(items: readonly string[]): string {
  return `(${items.map(atermString).join(",")})`;
}

function strings(items: readonly string[]): string {
  return atermList(items.map(atermString));
}

function uniqueMap<K extends string, V>(entries: readonly [K, V][]): Map<K, V> {
  const map = new Map(entries);
  if (map.size !== entries.length) throw new FormatError("a derivation says something twice");
  return map;
}
