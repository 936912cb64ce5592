import type { ServiceImpl } from "@connectrpc/connect";
import type { Cache } from "../../../gen/drvthru/v1/cache_pb.js";
import type { PathInfo } from "../../nix/path-info.ts";
import type { Builds } from "../build/builds.ts";
import { buildIdFromWire } from "../build/request.ts";
import { connectionOf } from "../connection.ts";
import { refusalOf } from "../faults.ts";
import { MAX_BATCH, malformed, pathInfoToWire, storePathFromWire } from "../path-infos.ts";
import { principalOf } from "../principal.ts";
import { type FetchContext, fetchPaths } from "./fetch.ts";

/** Bytes of infos, counted roughly, after which a message is full. */
const MESSAGE = 512 * 1024;

/** The service `Cache`: finished outputs, signed. */
export function cacheService(builds: Builds, context: FetchContext): ServiceImpl<typeof Cache> {
  return {
    async *closure(request, call) {
      const principal = await principalOf(call);
      const found = builds.find(buildIdFromWire(request.buildId), principal);
      if ("live" in found && principal.kind === "guest") builds.attach(found.live, connectionOf(call));
      try {
        const infos = await context.closures.of(found, storePathFromWire(request.output), call.signal);
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
        yield* fetchPaths(first.value, more, found, context, call.signal);
      } catch (error) {
        throw refusalOf(error);
      }
    },
  };
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
