import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Upload, UploadMissingRequest } from "../../../gen/drvthru/v1/upload_pb.js";
import type { Builds } from "../build/builds.ts";
import type { LiveBuild } from "../build/live-build.ts";
import { buildIdFromWire } from "../build/request.ts";
import { connectionOf } from "../connection.ts";
import { refusalOf } from "../faults.ts";
import { MAX_BATCH, malformed, pathInfoFromWire } from "../path-infos.ts";
import { guestOf } from "../principal.ts";
import { type NotingParts, noteBytes } from "./noted-bytes.ts";
import { enterPut, type PutContext, put } from "./put.ts";

/** What the uploads work with. */
export interface UploadContext extends PutContext {
  readonly builds: Builds;
  readonly maxPutStreams: number;
  readonly state: NotingParts["state"];
  readonly log: Logger;
}

/** The service `Upload`: what a build needs and the builder lacks. */
export function uploadService(context: UploadContext): ServiceImpl<typeof Upload> {
  const find = async (id: Uint8Array, call: HandlerContext): Promise<LiveBuild> => {
    await connectionOf(call).opens.answered();
    const build = context.builds.findLive(buildIdFromWire(id), await guestOf(call));
    context.builds.attach(build, connectionOf(call));
    return build;
  };
  return {
    async *missing(requests, call) {
      let build: LiveBuild | undefined;
      let answered = 0;
      let lacking = 0;
      for await (const request of requests) {
        build ??= await find(request.buildId, call);
        const paths = await missing(request, build, context);
        answered += request.paths.length;
        lacking += paths.length;
        yield { paths, answered: BigInt(answered) };
      }
      if (build) context.log.info({ build: build.id, named: answered, missing: lacking }, "inputs named");
    },

    async *put(requests, call) {
      const more = requests[Symbol.asyncIterator]();
      const first = await more.next();
      if (first.done || first.value.part.case !== "start") throw malformed("a Put stream begins with its start");
      const start = first.value.part.value;
      const build = await find(start.buildId, call);
      const leave = enterPut(build, context.maxPutStreams);
      const noteRest = noteBytes(build, context);
      context.builds.changed.ring();
      try {
        yield* put(start, more, build, context, call.signal);
        context.log.info({ build: build.id, uploadedBytes: build.inputs.received }, "inputs received");
      } finally {
        leave();
        await noteRest();
        context.builds.changed.ring();
      }
    },
  };
}

async function missing(request: UploadMissingRequest, build: LiveBuild, context: PutContext): Promise<string[]> {
  if (request.paths.length > MAX_BATCH) throw malformed(`at most ${MAX_BATCH} paths are in a message`);
  const infos = request.paths.map(pathInfoFromWire);
  try {
    return await build.store.use(async store => {
      await build.inputs.name(infos, context.trustedKeys, store);
      return await build.inputs.missing(
        infos.map(info => info.path),
        store,
      );
    });
  } catch (error) {
    throw refusalOf(build.ended.aborted ? build.ended.reason : error);
  }
}
