import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import type { PublicKey } from "../../nix/signing-key.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { checkReferences, checkSame, type PathProof, proofOf } from "../admission.ts";
import { refuse } from "../refusal.ts";

/** A path that a build has named, and how its bytes must prove it. */
export interface Named {
  readonly info: PathInfo;
  readonly proof: PathProof;
}

/** References of all paths of a build, for each path that it may name: many times what real ones have. */
const REFERENCES_PER_PATH = 16;
/** Signatures of trusted keys that are kept of a path. */
const MAX_SIGNATURES = 4;

/** Room for named paths that all builds share. */
export interface Room {
  left: number;
}

/** What bounds the paths that one build names. */
export interface NamedPathsLimits {
  readonly maxPaths: number;
  /** Of all builds together. */
  readonly all: Room;
}

/** The paths that one build has named, each admitted. */
export class NamedPaths {
  readonly #named = new Map<StorePath, Named>();
  readonly #limits: NamedPathsLimits;
  #references = 0;

  constructor(limits: NamedPathsLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#named.size;
  }

  get(path: StorePath): Named | undefined {
    return this.#named.get(path);
  }

  /** Whether this path was not named before. Admits it then; throws a refusal where that cannot be. */
  admit(info: PathInfo, trustedKeys: readonly PublicKey[]): boolean {
    const earlier = this.#named.get(info.path);
    if (earlier !== undefined) {
      checkSame(earlier.info, info);
      return false;
    }
    const { maxPaths, all } = this.#limits;
    if (this.#named.size >= maxPaths) throw tooMany(`${maxPaths} inputs`, maxPaths);
    const most = maxPaths * REFERENCES_PER_PATH;
    if (this.#references + info.references.length > most) throw tooMany(`${most} references of inputs`, most);
    if (all.left === 0) throw tooMany("inputs as the builder has room for, with those of others", 0);
    checkReferences(info, this.#named);
    this.#named.set(info.path, this.#kept(info, proofOf(info, trustedKeys)));
    this.#references += info.references.length;
    all.left -= 1;
    return true;
  }

  /** Without what nobody needs again, and with references that share their text with the paths they mean: there may be millions. */
  #kept(info: PathInfo, proof: PathProof): Named {
    const { path, narHash, narSize, ca } = info;
    const references = info.references.map(reference => this.#named.get(reference)?.info.path ?? path);
    const kept = { path, narHash, narSize, references, signatures: [], ...(ca !== undefined && { ca }) };
    if (proof.by === "content") return { info: kept, proof };
    return { info: kept, proof: { by: "signature", signatures: proof.signatures.slice(0, MAX_SIGNATURES) } };
  }

  /** What was named under the path of this info. Throws a refusal if it was something else. */
  same(info: PathInfo): Named {
    const named = this.#named.get(info.path);
    if (named === undefined) throw new Error(`${info.path} is not named`);
    checkSame(named.info, info);
    return named;
  }

  /** Gives its room back. May be repeated. */
  forget(): void {
    this.#limits.all.left += this.#named.size;
    this.#named.clear();
  }
}

function tooMany(what: string, limit: number) {
  return refuse(Reason.LIMIT, Code.ResourceExhausted, `a build may have at most ${what}`, { subject: String(limit) });
}
