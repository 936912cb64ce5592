import type { Logger } from "pino";
import type { State } from "../../state/state.ts";
import type { LiveBuild } from "../build/live-build.ts";

/** Time between two notes, in milliseconds. */
const INTERVAL = 5_000;

/** What notes are made with. */
export interface NotingParts {
  readonly state: Pick<State, "noteReceived">;
  readonly log: Pick<Logger, "warn">;
}

/** While an upload goes on the state hears every 5 s what its build has received: those bytes count also when the builder is killed. Gives what notes the rest. */
export function noteBytes(build: LiveBuild, parts: NotingParts): () => Promise<void> {
  const timer = setInterval(() => void note(build, parts), INTERVAL).unref();
  return async () => {
    clearInterval(timer);
    await note(build, parts);
  };
}

async function note(build: LiveBuild, { state, log }: NotingParts): Promise<void> {
  const { received } = build.inputs;
  if (received === build.notedBytes || build.phase === "ended") return;
  build.notedBytes = received;
  try {
    await state.noteReceived(build.id, received);
  } catch (error) {
    log.warn({ build: build.id, err: error }, "cannot note what a build has received");
  }
}
