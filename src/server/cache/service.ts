import type { ServiceImpl } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Cache } from "../../../gen/drvthru/v1/cache_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import { ownerKey } from "../../tickets/use.ts";
import type { Builds } from "../build/builds.ts";
import type { KeptBuilds } from "../build/kept-builds.ts";
import type { FoundBuild } from "../build/lookup.ts";
import { buildIdFromWire } from "../build/request.ts";
import { connectionOf } from "../connection.ts";
import type { Downloads } from "../downloads.ts";
import { refusalOf } from "../faults.ts";
import { MAX_BATCH, malformed, pathInfoToWire, storePathFromWire } from "../path-infos.ts";
import { principalOf } from "../principal.ts";
import { type FetchContext, fetchPaths, lengthOf, type Served } from "./fetch.ts";
import type { FetchCalls } from "./fetch-calls.ts";

/** What the service works with. */
export interface CacheContext extends FetchContext {
  /** Where the streams under way are counted. */
  readonly going: Downloads;
  readonly calls: FetchCalls;
  readonly kept: Pick<KeptBuilds, "dropRoot">;
  readonly log: Logger;
}

/** Bytes of infos, counted roughly, after which a message is full. */
const MESSAGE = 512 * 1024;

/** The service `Cache`: finished outputs, signed. */
export function cacheService(builds: Builds, context: CacheContext): ServiceImpl<typeof Cache> {
  const { log, kept, closures, calls } = context;
  return {
    async *closure(request, call) {
      const principal = await principalOf(call);
      const found = builds.find(buildIdFromWire(request.buildId), principal);
      if ("live" in found && principal.kind === "guest") builds.attach(found.live, connectionOf(call));
      try {
        const began = performance.now();
        const infos = await closures.of(found, storePathFromWire(request.output), call.signal);
        const bytes = infos.reduce((sum, info) => sum + info.narSize, 0);
        log.info({ output: request.output, paths: infos.length, bytes, seconds: since(began) }, "closure told");
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
      const leave = calls.enter(ownerKey("live" in found ? found.live.owner : found.stored.owner));
      const began = performance.now();
      const served: Served = { paths: 0, bytes: 0, hits: 0, fills: 0, direct: 0 };
      const stream = context.going.begin(found);
      try {
        for await (const message of fetchPaths(first.value, more, found, { ...context, served }, call.signal)) {
          yield message;
          stream.add((message.parts ?? []).reduce((sum, part) => sum + lengthOf(part), 0));
        }
      } catch (error) {
        throw refusalOf(error);
      } finally {
        log.info({ build: idOf(found), ...served, seconds: since(began) }, "paths served");
        leave();
        await stream.end();
      }
    },

    async fetched(request, call) {
      const found = builds.find(buildIdFromWire(request.buildId), await principalOf(call));
      const output = storePathFromWire(request.output);
      closures.checkOutput(found, output);
      if ("live" in found) found.live.fetched.add(output);
      await kept.dropRoot(idOf(found), output);
      log.info({ build: idOf(found), output }, "output fetched");
      return {};
    },
  };
}

function since(began: number): number {
  return Math.round(performance.now() - began) / 1000;
}

function idOf(found: FoundBuild) {
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
