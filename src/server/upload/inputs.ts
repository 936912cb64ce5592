import { setImmediate } from "node:timers/promises";
import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import type { PublicKey } from "../../nix/signing-key.ts";
import type { Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { isHere } from "../admission.ts";
import { Notice } from "../notice.ts";
import { refuse } from "../refusal.ts";
import { type Allowance, checkAllowance } from "./allowance.ts";
import { type Named, NamedPaths, type NamedPathsLimits } from "./named-paths.ts";

/** Infos between two turns of others. */
const TURN = 64;

/** What bounds the inputs of one build. */
export interface InputLimits extends NamedPathsLimits {
  /** Most bytes of NAR that may be received, or `undefined` for no limit. */
  readonly maxUploadBytes: number | undefined;
  /** What it may send together with other builds, or `undefined` for no limit. */
  readonly allowance: Allowance | undefined;
}

/** The inputs of one build: what it named, what of that is in the store for it, and how much was received. */
export class Inputs {
  readonly #named: NamedPaths;
  readonly #present = new Set<StorePath>();
  readonly #limits: InputLimits;
  /** Rings when a path became present. */
  readonly arrived = new Notice();
  readonly #unprotected: StorePath[] = [];
  #received = 0;
  #expected = 0;
  #lacking = 0;
  #forgotten = false;

  constructor(limits: InputLimits) {
    this.#limits = limits;
    this.#named = new NamedPaths(limits);
  }

  /** How many paths the build has named. */
  get named(): number {
    return this.#named.size;
  }

  /** Bytes of NAR received so far. */
  get received(): number {
    return this.#received;
  }

  /** Bytes of NAR that will have been received once nothing is missing, as it was when last asked. */
  get expected(): number {
    return Math.max(this.#expected, this.#received);
  }

  /** The most bytes of NAR that may be received, or `undefined` for no limit. */
  get limit(): number | undefined {
    return this.#limits.maxUploadBytes;
  }

  /** Admits infos, references first, and protects their paths from collection. Throws a refusal. */
  async name(infos: readonly PathInfo[], trustedKeys: readonly PublicKey[], store: Store): Promise<void> {
    for (const [index, info] of infos.entries()) {
      // Proofs take time: others have their turn between them.
      if (index % TURN === TURN - 1) await setImmediate();
      if (this.#forgotten) throw new Error("the build has ended");
      if (!this.#named.admit(info, trustedKeys)) continue;
      this.#unprotected.push(info.path);
      this.#lacking += info.narSize;
    }
    const fresh = this.#unprotected.splice(0);
    // Before anybody asks whether they are valid: what is valid then stays so.
    if (fresh.length > 0) await store.addTempRoots(fresh);
  }

  /** The build has ended: gives its room back. May be repeated. */
  forget(): void {
    this.#forgotten = true;
    this.#named.forget();
  }

  /** Those of these named paths that are not here for this build, and must be sent. Throws a refusal if that is more than it may send. */
  async missing(paths: readonly StorePath[], store: Store): Promise<StorePath[]> {
    const open = paths.filter(path => !this.#present.has(path));
    const valid = await store.validPaths(open);
    const held = await store.pathInfos(open.filter(path => valid.has(path)));
    for (const info of held) {
      const named = info && this.#named.get(info.path);
      if (named && isHere(named.info, info)) this.present(info.path);
    }
    this.checkLimit(this.#lacking, this.#received + this.#lacking);
    this.#expected = this.#received + this.#lacking;
    return open.filter(path => !this.#present.has(path));
  }

  /** Whether the build has named this path. */
  isNamed(path: StorePath): boolean {
    return this.#named.get(path) !== undefined;
  }

  /** What the build named under the path of this info. Throws a refusal if it was something else. */
  same(info: PathInfo): Named {
    return this.#named.same(info);
  }

  /** A named path is in the store for this build: it was here, or was sent and registered. */
  present(path: StorePath): void {
    const named = this.#named.get(path);
    if (named === undefined || this.#present.has(path)) return;
    this.#present.add(path);
    this.#lacking -= named.info.narSize;
    this.arrived.ring();
  }

  /** Whether it is in the store for this build. */
  has(path: StorePath): boolean {
    return this.#present.has(path);
  }

  /** Counts received bytes. Throws a refusal past the limit. */
  receive(bytes: number): void {
    this.#received += bytes;
    if (this.#limits.allowance !== undefined) this.#limits.allowance.left -= bytes;
    this.checkLimit(this.#received, this.#received);
  }

  /** Throws a refusal if an upload that brings the total to this would pass the limit. */
  checkLimit(size: number, total: number): void {
    const { maxUploadBytes: limit, allowance } = this.#limits;
    if (size === 0) return;
    // First what this build may send by itself: of that its client can be told more.
    if (limit !== undefined && total > limit) throw tooLarge(total, limit);
    if (allowance !== undefined) checkAllowance(allowance, total - this.#received);
  }

  /** The first path in the closure of these that is not in the store for this build, or `undefined` if it is complete. */
  firstLacking(roots: readonly StorePath[]): StorePath | undefined {
    const seen = new Set<StorePath>(roots);
    for (const path of seen) {
      const named = this.#named.get(path);
      if (named === undefined || !this.#present.has(path)) return path;
      for (const reference of named.info.references) seen.add(reference);
    }
    return undefined;
  }
}

function tooLarge(total: number, limit: number) {
  const message = `the upload of this build has ${total} bytes; at most ${limit} are allowed`;
  const fix = "ask the builder's owner for a larger limit (ticket create --max-upload-bytes)";
  return refuse(Reason.UPLOAD_LIMIT, Code.ResourceExhausted, message, { subject: String(limit), fix });
}
