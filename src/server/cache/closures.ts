import { setImmediate } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { Failure } from "../../lib/failure.ts";
import type { BuildId } from "../../lib/ids.ts";
import { closure } from "../../nix/daemon/closure.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { FoundBuild } from "../build/lookup.ts";
import { decodeRequest } from "../build/request.ts";
import { refuse } from "../refusal.ts";
import type { Stores } from "../stores.ts";
import { notThere } from "./nar-of.ts";
import type { OutputCache } from "./output-cache.ts";
import { RememberedClosures } from "./remembered.ts";
import { stillVouched, type Voucher, vouched } from "./vouch.ts";

/** Infos between two turns of others. */
const TURN = 64;

/** The closures of outputs, signed: what a client may fetch. Remembered for the builds that asked last. */
export class Closures {
  readonly #queries: Stores;
  readonly #voucher: Voucher;
  readonly #cache: Pick<OutputCache, "infoOf">;
  readonly #remembered = new RememberedClosures();

  constructor(queries: Stores, voucher: Voucher, cache: Pick<OutputCache, "infoOf">) {
    this.#queries = queries;
    this.#voucher = voucher;
    this.#cache = cache;
  }

  /** Throws a refusal unless this is a finished output of the build. */
  checkOutput(found: FoundBuild, output: StorePath): void {
    if (!outputsOf(found).outputs.has(output)) throw notAnOutput(output);
  }

  /** The infos of the closure of one wanted output, references first. Throws a refusal if it is none, is not valid, or holds what nobody vouches for. */
  async of(found: FoundBuild, output: StorePath, signal: AbortSignal): Promise<readonly PathInfo[]> {
    this.checkOutput(found, output);
    const { id } = outputsOf(found);
    const known = this.#remembered.of(id).byOutput.get(output);
    if (known !== undefined) return known;
    const infos = await this.#queries.use(signal, store => this.#closure(store, output));
    const { byOutput, all } = this.#remembered.of(id);
    byOutput.set(output, infos);
    for (const info of infos) all.set(info.path, info);
    return infos;
  }

  /** From the store; from the cache what the store has collected since. */
  async #closure(store: Store, output: StorePath): Promise<readonly PathInfo[]> {
    try {
      return await closure([output], async paths => {
        const held = await store.pathInfos(paths);
        const infos: (PathInfo | undefined)[] = [];
        for (const [index, path] of paths.entries()) {
          // Signatures take time: others have their turn between them.
          if (index % TURN === TURN - 1) await setImmediate();
          infos.push(await this.#vouchedFor(path, held[index]));
        }
        return infos;
      });
    } catch (error) {
      if (error instanceof Failure && error.reason === "path-not-valid") throw notThere(output);
      throw error;
    }
  }

  async #vouchedFor(path: StorePath, info: PathInfo | undefined): Promise<PathInfo | undefined> {
    if (info !== undefined) return vouched(info, this.#voucher);
    const cached = await this.#cache.infoOf(path);
    return cached && stillVouched(cached, this.#voucher);
  }

  /** The infos of these paths out of the closures of a build's outputs. Throws a refusal for any other path. */
  async infos(found: FoundBuild, paths: readonly StorePath[], signal: AbortSignal): Promise<PathInfo[]> {
    const { id, outputs } = outputsOf(found);
    const { all } = this.#remembered.of(id);
    let refused: ConnectError | undefined;
    // A client that comes again after a restart has its infos already, and asks for bytes at once.
    for (const output of paths.every(path => all.has(path)) ? [] : await this.#there(outputs, signal)) {
      try {
        for (const info of await this.of(found, output, signal)) all.set(info.path, info);
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
        refused ??= error;
      }
    }
    return paths.map(path => {
      const info = all.get(path);
      if (info === undefined) throw refused ?? notInClosure(path);
      return info;
    });
  }

  /** One question for all: a build may have more outputs than should be asked for one by one. */
  async #there(outputs: ReadonlySet<StorePath>, signal: AbortSignal): Promise<StorePath[]> {
    const valid = await this.#queries.use(signal, store => store.validPaths([...outputs]));
    const there: StorePath[] = [];
    for (const path of outputs) {
      if (valid.has(path) || (await this.#cache.infoOf(path)) !== undefined) there.push(path);
    }
    return there;
  }
}

/**
 * The outputs that Start has checked against their derivations: before that, a path that a client calls its output is only a claim. And of a build
 * whose use was given back nothing is to be had: it would be a build for nothing.
 */
function outputsOf(found: FoundBuild): { id: BuildId; outputs: ReadonlySet<StorePath> } {
  if ("live" in found) return { id: found.live.id, outputs: found.live.ready };
  const { id, end, use, request } = found.stored;
  const targets = end !== undefined && use === "committed" ? decodeRequest(request).targets : [];
  return { id, outputs: new Set(targets.flatMap(target => [...target.outputs.values()])) };
}

function notAnOutput(output: StorePath): ConnectError {
  return refuse(Reason.NOT_PERMITTED, Code.PermissionDenied, `${output} is no finished output of this build`, {
    subject: output,
  });
}

function notInClosure(path: StorePath): ConnectError {
  return refuse(Reason.NOT_PERMITTED, Code.PermissionDenied, `${path} is in no closure of this build's outputs`, {
    subject: path,
  });
}
