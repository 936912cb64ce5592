import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { Logger } from "pino";
import { Build } from "../../gen/drvthru/v1/build_pb.js";
import { Cache } from "../../gen/drvthru/v1/cache_pb.js";
import { Status } from "../../gen/drvthru/v1/status_pb.js";
import { Upload } from "../../gen/drvthru/v1/upload_pb.js";
import type { EndpointId } from "../lib/ids.ts";
import type { BuildSettings } from "../nix/settings.ts";
import type { PublicKey, SecretKey } from "../nix/signing-key.ts";
import type { OpenStore } from "../nix/store.ts";
import type { State } from "../state/state.ts";
import { bulkAnswers } from "../transport/bulk-answers.ts";
import { routerOptions } from "../transport/limits.ts";
import { requestGate } from "./access.ts";
import { Builds } from "./build/builds.ts";
import { KeptBuilds } from "./build/kept-builds.ts";
import { KeptFolders } from "./build/kept-folders.ts";
import { Roots } from "./build/roots.ts";
import { Scheduler } from "./build/scheduler.ts";
import { buildService } from "./build/service.ts";
import { BuiltPaths } from "./cache/built-paths.ts";
import { Closures } from "./cache/closures.ts";
import { FetchCalls } from "./cache/fetch-calls.ts";
import { OutputCache } from "./cache/output-cache.ts";
import { cacheService } from "./cache/service.ts";
import { Downloads } from "./downloads.ts";
import { faultOf } from "./faults.ts";
import type { ServerLimits } from "./limits.ts";
import { logRefusals } from "./log-refusals.ts";
import type { Admission } from "./present.ts";
import { shieldErrors } from "./refusal.ts";
import { statusService } from "./status.ts";
import { Stores } from "./stores.ts";
import { uploadService } from "./upload/service.ts";
import { Transfers } from "./upload/transfers.ts";

/** What the services stand on. */
export interface ServicesParts {
  readonly state: State;
  readonly openStore: OpenStore;
  readonly limits: ServerLimits;
  /** Absolute; holds the builds' folders and roots. */
  readonly dataFolder: string;
  readonly signingKey: SecretKey;
  readonly trustedClients: Admission["trustedClients"];
  /** The keys that this machine's Nix trusts. */
  readonly trustedKeys: readonly PublicKey[];
  /** How this machine's Nix is configured to build. */
  readonly building: BuildSettings;
  readonly endpoint: EndpointId;
  readonly version: string;
  /** Which implementation of Iroh carries its bytes, for people. */
  readonly iroh: string;
  readonly connectedClients: () => number;
  readonly log: Logger;
  readonly now: () => number;
}

/** The services of a builder, without their carriers. */
export interface Services {
  readonly builds: Builds;
  readonly scheduler: Scheduler;
  /** The handlers for a session, with the services that `more` adds. */
  handlers(more: (router: ConnectRouter) => void): readonly UniversalHandler[];
  /** Closes what the services opened; all builds have ended before. */
  close(): Promise<void>;
}

/** Makes the services, and ends what an earlier run has left unfinished. */
export async function createServices(parts: ServicesParts): Promise<Services> {
  const { state, openStore, limits, dataFolder, log, now, trustedKeys, building } = parts;
  const roots = new Roots(join(dataFolder, "roots"));
  const folder = join(dataFolder, "builds");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const kept = new KeptBuilds({ state, limits, folder, roots, log, now });
  await kept.restart();
  const builds = new Builds({ state, openStore, limits, kept, trustedClients: parts.trustedClients, log, now });
  const built = await BuiltPaths.open(join(dataFolder, "built-paths"));
  const idleTime = limits.idleStoreTime;
  const queries = new Stores(openStore, limits.maxQueryStores, { idleTime });
  // A download lasts as long as its client's line is slow: it must not keep builds, or the lists of others, waiting.
  const downloads = new Stores(openStore, limits.maxFetchStores, { ofOne: limits.maxFetchStoresOfOwner, idleTime });
  const keptFolders = await KeptFolders.open(join(dataFolder, "kept-folders"), { log, now });
  const running = { queries, roots, built, keptFolders, building };
  const scheduler = new Scheduler({ builds, state, limits, ...running, log, now });
  const cache = new OutputCache({
    folder: join(dataFolder, "cache"),
    openStore,
    key: parts.signingKey,
    maxFills: limits.maxCacheFills,
    patience: limits.cachePatience,
    maxBytes: limits.maxCacheBytes,
    idleTime,
    quietTime: limits.cacheQuietTime,
    log,
  });
  const closures = new Closures(queries, { key: parts.signingKey, trustedKeys, built }, cache);
  const going = new Downloads(state, builds.changed);
  const upload = {
    builds,
    state,
    trustedKeys,
    stores: new Stores(openStore, limits.maxPutStores, { ofOne: limits.maxPutStoresOfOwner }),
    transfers: new Transfers(limits),
    referenceTime: limits.stallTime,
    // Longer, so that a path which waits for its references is not what is called idle.
    idleTime: 2 * limits.stallTime,
    maxPutStreams: limits.maxPutStreams,
    log,
  };
  const status = {
    ...parts,
    builds,
    scheduler,
    going,
    startedAt: now(),
    // A configuration that is read again changes these.
    get maxConcurrentBuilds() {
      return limits.maxConcurrentBuilds;
    },
    get recentBuilds() {
      return limits.recentBuilds;
    },
    keepAlive: limits.keepAlive,
  };
  const calls = new FetchCalls(limits);
  const handlers = (more: (router: ConnectRouter) => void) => {
    const router = createConnectRouter({
      ...routerOptions,
      requestGate,
      interceptors: [bulkAnswers, logRefusals(log), shieldErrors(log, faultOf)],
    });
    router
      .service(Build, buildService({ builds, kept, scheduler, limits }))
      .service(Upload, uploadService(upload))
      .service(
        Cache,
        cacheService(builds, { closures, cache, downloads, going, keepAlive: limits.keepAlive, calls, kept, log }),
      )
      .service(Status, statusService(status));
    more(router);
    return router.handlers;
  };
  const close = async () => {
    await cache.close();
    queries.close();
    downloads.close();
    await built.close();
    await keptFolders.close();
    await builds.close();
  };
  return { builds, scheduler, handlers, close };
}
