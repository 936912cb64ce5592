import type { Bytes } from "../../lib/bytes.ts";
import { Failure } from "../../lib/failure.ts";
import { HELPER_LIMITS } from "../../lib/helper-protocol.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { formatPublicKey, type PublicKey } from "../../nix/signing-key.ts";
import type { Store } from "../../nix/store.ts";
import type { FetchContext } from "../transfer/fetch.ts";
import { importThrough } from "./helper.ts";
import { serveLoopback } from "./loopback-cache.ts";
import { copyOrder } from "./order.ts";
import { Shelf } from "./shelf.ts";

/** What an import through the helper needs. */
export interface ByHelper extends FetchContext {
  readonly socketPath: string;
  readonly key: PublicKey;
  /** To see what is valid, and to keep it. */
  readonly store: Pick<Store, "validPaths">;
}

/** Room in a question for all that is not paths, in bytes. */
const ENVELOPE = 2048;

/**
 * Lets the import helper bring these paths into the store, while they come from the builder. Where it does not get all of them in, what somebody else
 * got in meanwhile may be the reason (a Nix before 2.18 stumbles over that): it is asked again as long as it gets further.
 */
export async function importByHelper(options: ByHelper, infos: readonly PathInfo[]): Promise<void> {
  for (let lacking = copyOrder(infos); lacking.length > 0; ) {
    let refused: Failure | undefined;
    try {
      for (const batch of batches(lacking)) await importBatch(options, batch);
    } catch (error) {
      if (!worthAgain(error)) throw error;
      refused = error;
    }
    const valid = await options.store.validPaths(lacking.map(info => info.path));
    const left = lacking.filter(info => !valid.has(info.path));
    if (left.length === lacking.length || (refused === undefined && left.length > 0)) throw refused ?? untrue(left);
    lacking = left;
  }
}

function worthAgain(failure: unknown): failure is Failure {
  return failure instanceof Failure && failure.reason === "import-failed";
}

function untrue([first]: readonly PathInfo[]): Failure {
  const message = `the import helper says that all is imported, but ${first?.path} is not valid`;
  return new Failure("failed", "nix", message, { reason: "import-failed", fix: "run the same command again" });
}

/** Cuts what is to be imported into questions: as many paths as one may name, and as long as it may be. */
export function* batches(infos: readonly PathInfo[]): Generator<PathInfo[]> {
  let batch: PathInfo[] = [];
  let bytes = ENVELOPE;
  for (const info of infos) {
    const size = info.path.length + 3;
    if (batch.length === HELPER_LIMITS.paths || bytes + size > HELPER_LIMITS.message) {
      yield batch;
      batch = [];
      bytes = ENVELOPE;
    }
    batch.push(info);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

async function importBatch(options: ByHelper, infos: readonly PathInfo[]): Promise<void> {
  const { socketPath, key, meter } = options;
  const scope = new AbortController();
  const signal = AbortSignal.any([options.signal, scope.signal]);
  const shelf = new Shelf({ ...options, signal }, infos);
  async function* counted(info: PathInfo): Bytes {
    yield* shelf.take(info);
    meter.addPaths(1);
  }
  const cache = await serveLoopback(infos, counted);
  try {
    const paths = infos.map(info => info.path);
    await importThrough(socketPath, { ask: "import", key: formatPublicKey(key), url: cache.url, paths }, signal);
  } catch (error) {
    // Why the bytes did not come says more than that they did not.
    const fault = cache.fault();
    throw fault === undefined || options.signal.aborted ? error : fault.error;
  } finally {
    scope.abort(new Failure("cancelled", "this machine", "the import has ended"));
    cache.close();
    await shelf.ended;
  }
}
