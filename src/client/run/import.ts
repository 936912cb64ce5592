import type { BuildId } from "../../lib/ids.ts";
import type { Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Carrier } from "../connection/carrier.ts";
import { toFailure } from "../errors.ts";
import { checkProof, readClosure } from "../transfer/closure.ts";
import { type FetchContext, fetchNars, MAX_FETCH_STREAMS } from "../transfer/fetch.ts";
import type { Meter } from "../transfer/meter.ts";
import type { Job } from "./job.ts";

/** What an import needs of the connection. */
export interface ImportContext {
  readonly build: BuildId;
  /** The connection of the moment. */
  readonly carrier: Carrier;
  readonly meter: Meter;
  readonly encoding: FetchContext["encoding"];
  readonly signal: AbortSignal;
}

/** Takes an output and what it needs into the store here, unless it is there. All is checked before the first byte is fetched. */
export async function importOutput(job: Job, output: StorePath, context: ImportContext): Promise<void> {
  if (job.done.has(output)) return;
  const store = await importerOf(job);
  try {
    await store.addTempRoots([output]);
    const here = await store.validPaths([output]);
    if (!here.has(output)) await importClosure(job, store, output, context);
  } catch (error) {
    // Another connection may do better with it; this one may be in the middle of something.
    job.importer = undefined;
    store.close();
    throw toFailure(error, "fetching outputs");
  }
  job.done.add(output);
  job.emit({ kind: "imported", path: output });
}

async function importClosure(job: Job, store: Store, output: StorePath, context: ImportContext): Promise<void> {
  const { build, carrier, meter, encoding, signal } = context;
  if (job.key === undefined) throw new TypeError("the key is decided before anything is fetched");
  const rules = { expected: job.plan.expected, key: job.key };
  const doing = "asking what an output needs";
  const closure = await carrier.through(({ cache }) => readClosure(cache, build, output, rules, signal), doing, signal);
  const paths = closure.map(info => info.path);
  await store.addTempRoots(paths);
  const valid = await store.validPaths(paths);
  const lacking = closure.filter(info => !valid.has(info.path));
  // Somebody else on this machine may have brought them in just now.
  if (lacking.length === 0) return;
  for (const info of lacking) checkProof(info, rules);
  meter.expect(
    lacking.length,
    lacking.reduce((sum, info) => sum + info.narSize, 0),
  );
  const streams = Math.min(job.request.narFetches ?? 1, MAX_FETCH_STREAMS);
  const fetching = { carrier, build, meter, encoding, streams, signal };
  if (job.right === "helper") {
    // Few need it, and it is a web server: Node takes longer to load what that is made of than all the rest.
    const { importByHelper } = await import("../import/by-helper.ts");
    await importByHelper({ ...fetching, socketPath: job.around.helperSocket, key: job.key, store }, lacking);
  } else {
    const nars = fetchNars(fetching, lacking);
    // Whom the daemon trusts need not have the builder's key there: it was checked here.
    for await (const _ of store.add(nars, { dontCheckSignatures: job.right === "trusted-user" })) meter.addPaths(1);
  }
  meter.flush();
}

async function importerOf(job: Job): Promise<Store> {
  job.importer ??= await job.around.openStore(job.signal);
  return job.importer;
}
