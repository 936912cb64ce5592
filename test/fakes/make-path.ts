import { encodeBase32 } from "../../src/nix/base32.ts";
import { formatDerivation } from "../../src/nix/derivation.ts";
import { sha256 } from "../../src/nix/hash.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import type { NarItem } from "../../src/nix/store.ts";
import { makeFixedPath, makeStorePath, makeTextPath, type StorePath, sortedPaths } from "../../src/nix/store-path.ts";

/** A path made in a test, with its NAR whole. */
export interface MadePath {
  readonly info: PathInfo;
  readonly nar: Uint8Array;
}

/** A derivation made in a test. */
export interface MadeDerivation extends MadePath {
  readonly outputs: Readonly<Record<string, StorePath>>;
  /** The hash that stands for it in the paths of those that depend on it. */
  readonly modulo: string;
}

/** The NAR of one file that is not executable. */
export function fileNar(content: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(content);
  return Buffer.concat([...["nix-archive-1", "(", "type", "regular", "contents"].map(word), word(bytes), word(")")]);
}

/** A text such as `builtins.toFile` makes. */
export function textPath(name: string, content: string, references: readonly StorePath[] = []): MadePath {
  const hash = { algorithm: "sha256", hex: sha256(content) } as const;
  const path = must(makeTextPath(name, hash, { others: references, self: false }));
  return made(path, fileNar(content), references, `text:sha256:${base32(hash.hex)}`);
}

/** A source file such as `./file` in an expression makes. */
export function sourcePath(
  name: string,
  content: Uint8Array | string,
  references: readonly StorePath[] = [],
): MadePath {
  const nar = fileNar(content);
  const hash = { algorithm: "sha256", hex: sha256(nar) } as const;
  const path = must(makeFixedPath(name, "nar", hash, { others: references, self: false }));
  return made(path, nar, references, `fixed:r:sha256:${base32(hash.hex)}`);
}

/** A path that nothing proves: what a build makes elsewhere. */
export function unprovenPath(name: string, content: string, references: readonly StorePath[] = []): MadePath {
  return made(must(makeStorePath("output:out", sha256(name + content), name)), fileNar(content), references);
}

/** A path with its NAR, of whatever content. */
export function made(path: StorePath, nar: Uint8Array, references: readonly StorePath[], ca?: string): MadePath {
  const base = { path, narHash: sha256(nar), narSize: nar.length, references: sortedPaths(references), signatures: [] };
  return { nar, info: ca === undefined ? base : { ...base, ca } };
}

/** How to make a derivation: `sh -c script` by default. */
export interface Recipe {
  readonly name: string;
  readonly script?: string;
  readonly builder?: string;
  readonly args?: readonly string[];
  readonly system?: string;
  readonly outputs?: readonly string[];
  readonly inputs?: readonly MadeDerivation[];
  readonly sources?: readonly StorePath[];
  readonly env?: Readonly<Record<string, string>>;
}

/** An input-addressed derivation whose output paths are those that Nix computes. */
export function derivation(recipe: Recipe): MadeDerivation {
  const { name, script = "", builder = "/bin/sh", args = ["-c", script], outputs = ["out"], inputs = [] } = recipe;
  const sources = sortedPaths(recipe.sources ?? []);
  const named = [...outputs].sort();
  const text = (paths: Readonly<Record<string, StorePath>> | undefined, inputName: (input: MadeDerivation) => string) =>
    formatDerivation({
      outputs: new Map(
        named.map(output => {
          const path = paths?.[output];
          return [output, path ? { kind: "input-addressed", path } : { kind: "deferred" }];
        }),
      ),
      inputDerivations: sortedMap(
        inputs.map(input => [inputName(input) as StorePath, Object.keys(input.outputs).sort()]),
      ),
      inputSources: sources,
      system: recipe.system ?? "x86_64-linux",
      builder,
      args,
      env: sortedMap([
        ...Object.entries({ builder, name, system: recipe.system ?? "x86_64-linux", ...recipe.env }),
        ...named.map(output => [output, paths?.[output] ?? ""] as const),
      ]),
    });
  const masked = sha256(text(undefined, input => input.modulo));
  const paths = Object.fromEntries(
    named.map(output => {
      const suffix = output === "out" ? "" : `-${output}`;
      return [output, must(makeStorePath(`output:${output}`, masked, name + suffix))];
    }),
  );
  const modulo = sha256(text(paths, input => input.modulo));
  const file = text(paths, input => input.info.path);
  return {
    ...textPath(`${name}.drv`, file, [...sources, ...inputs.map(input => input.info.path)]),
    outputs: paths,
    modulo,
  };
}

/** These as the items of `Store.add`, in chunks of at most so many bytes. */
export async function* itemsOf(paths: Iterable<MadePath>, chunk = 64 * 1024): AsyncGenerator<NarItem> {
  for (const { info, nar } of paths) yield { info, nar: chunksOf(nar, chunk) };
}

/** Bytes in chunks. */
export async function* chunksOf(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function word(content: Uint8Array | string): Uint8Array {
  const bytes = Buffer.from(content);
  const padded = Buffer.alloc(8 + Math.ceil(bytes.length / 8) * 8);
  padded.writeBigUInt64LE(BigInt(bytes.length));
  bytes.copy(padded, 8);
  return padded;
}

function base32(hex: string): string {
  return encodeBase32(Buffer.from(hex, "hex"));
}

function sortedMap<K extends string, V>(entries: readonly (readonly [K, V])[]): Map<K, V> {
  return new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function must(path: StorePath | undefined): StorePath {
  if (!path) throw new Error("a test asks for a path that cannot be");
  return path;
}
