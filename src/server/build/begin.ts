import { create, toBinary } from "@bufbuild/protobuf";
import { BuildResultSchema } from "../../../gen/drvthru/v1/build_pb.js";
import type { BuildId } from "../../lib/ids.ts";
import type { OpenStore } from "../../nix/store.ts";
import type { State, StoredBuild } from "../../state/state.ts";
import { refusalOf } from "../faults.ts";
import type { ServerLimits } from "../limits.ts";
import type { Guest } from "../principal.ts";
import type { Room } from "../upload/named-paths.ts";
import type { Conclusions } from "./conclusion.ts";
import { brokenBy } from "./endings.ts";
import type { KeptBuilds } from "./kept-builds.ts";
import { LiveBuild } from "./live-build.ts";
import type { OpenRequest } from "./request.ts";
import { allowanceOf } from "./upload-allowance.ts";

/** What a build begins with. */
export interface BeginParts {
  readonly state: State;
  readonly openStore: OpenStore;
  readonly limits: ServerLimits;
  readonly kept: KeptBuilds;
  readonly conclusions: Conclusions;
  /** For named paths, of all builds. */
  readonly room: Room;
  /** All that go on: the new one is put among them. */
  readonly live: Map<BuildId, LiveBuild>;
  readonly now: () => number;
  /** The events of the build cannot be written any more. */
  readonly spoilt: (error: unknown) => void;
}

/** Makes the live build of a reservation. Where that fails the use is given back, and a refusal thrown. */
export async function beginBuild(
  request: OpenRequest,
  guest: Guest,
  { id, openedAt }: StoredBuild,
  { state, openStore, limits, kept, conclusions, room, live, now, spoilt }: BeginParts,
): Promise<LiveBuild> {
  try {
    const events = await kept.events(id, spoilt);
    const { maxNamedPaths, maxGivenBackUploads } = limits;
    const { owner, maxUploadBytes } = guest;
    // Without an `await` up to its place among the others: builds that begin at once must find each other's allowance.
    const others = { state, live: [...live.values()], maxGivenBackUploads, now: now() };
    const allowance = allowanceOf(owner.credential, maxUploadBytes, others);
    const build = new LiveBuild(request, guest, { openedAt, events, openStore, maxNamedPaths, room, allowance });
    live.set(id, build);
    return build;
  } catch (error) {
    const { outcome, message } = brokenBy(error);
    const result = toBinary(BuildResultSchema, create(BuildResultSchema, { outcome, message, refunded: true }));
    await conclusions.keep(id, true, { at: now(), result, uploadedBytes: 0, downloadedBytes: 0 });
    throw refusalOf(error);
  }
}
