import type { ServiceImpl } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Cache } from "../../../gen/drvthru/v1/cache_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import type { Builds, FoundBuild } from "../build/builds.ts";
import { buildIdFromWire } from "../build/request.ts";
import { connectionOf } from "../connection.ts";
import { refusalOf } from "../faults.ts";
import { MAX_BATCH, malformed, pathInfoToWire, storePathFromWire } from "../path-infos.ts";
import { principalOf } from "../principal.ts";
import { count, type FetchContext, fetchPaths } from "./fetch.ts";

/** What the service works with. */
export interface CacheContext extends FetchContext {
  readonly log: Logger;
}

/** Bytes of infos, counted roughly, after which a message is full. */
const MESSAGE = 512 * 1024;

/** The service `Cache`: finished outputs, signed. */
export function cacheService(builds: Builds, context: CacheContext): ServiceImpl<typeof Cache> {
  return {
    async *closure(request, call) {
      const principal = await principalOf(call);
      const found = builds.find(buildIdFromWire(request.buildId), principal);
      if ("live" in found && principal.kind === "guest") builds.attach(found.live, connectionOf(call));
      try {
        const began = performance.now();
        const infos = await context.closures.of(found, storePathFromWire(request.output), call.signal);
        const milliseconds = Math.round(performance.now() - began);
        context.log.info({ output: request.output, paths: infos.length, milliseconds }, "closure told");
        for (const batch of batches(infos)) yield { infos: batch.map(pathInfoToWire) };
      } catch (error) {
        throw refusalOf(error);
      }
    },

    async *fetch(requests, call) {
      const principal = await principalOf(call);
      const more = requests[Symbol.asyncIterator]();
      const first = await more.next();
      if (first.done) throw malformed("the first message of Fetch names the build");
      const found = builds.find(buildIdFromWire(first.value.buildId), principal);
      if ("live" in found && principal.kind === "guest") builds.attach(found.live, connectionOf(call));
      try {
        const served = { paths: 0, bytes: 0 };
        for await (const message of fetchPaths(first.value, more, found, context, call.signal)) {
          count(served, message);
          yield message;
        }
        context.log.info({ build: idOf(found), ...served }, "paths served");
      } catch (error) {
        throw refusalOf(error);
      }
    },
  };
}

function idOf(found: FoundBuild): string {
  return "live" in found ? found.live.id : found.stored.id;
}

function* batches(infos: readonly PathInfo[]): Generator<PathInfo[]> {
  let batch: PathInfo[] = [];
  let bytes = 0;
  for (const info of infos) {
    batch.push(info);
    bytes += 512 + info.references.length * 80;
    if (batch.length < MAX_BATCH && bytes < MESSAGE) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
