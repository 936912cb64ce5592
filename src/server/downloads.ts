import type { BuildId } from "../lib/ids.ts";
import type { State } from "../state/state.ts";
import type { Owner } from "../tickets/use.ts";
import type { FoundBuild } from "./build/lookup.ts";
import type { Notice } from "./notice.ts";

/** Outputs of one build that are on their way to its client. */
export interface Download {
  readonly id: BuildId;
  readonly owner: Owner;
  readonly installable: string;
  readonly clientName: string;
  streams: number;
  /** As they cross the wire, of all streams since the first of these began. */
  bytes: number;
}

/** One stream of a {@link Download}. */
export interface DownloadStream {
  add(bytes: number): void;
  /** May be repeated. What was sent after the build had ended is kept with it. */
  end(): Promise<void>;
}

/** The downloads under way, also of builds that have ended. */
export class Downloads {
  readonly #state: Pick<State, "addDownloaded">;
  readonly #changed: Notice;
  readonly #going = new Map<BuildId, Download>();

  /** `changed` rings when one begins or ends. */
  constructor(state: Pick<State, "addDownloaded">, changed: Notice) {
    this.#state = state;
    this.#changed = changed;
  }

  get all(): readonly Download[] {
    return [...this.#going.values()];
  }

  /** A stream begins. */
  begin(found: FoundBuild): DownloadStream {
    const { id, owner, installable, clientName } = "live" in found ? found.live : found.stored;
    const download = this.#going.get(id) ?? { id, owner, installable, clientName, streams: 0, bytes: 0 };
    this.#going.set(id, download);
    download.streams += 1;
    this.#changed.ring();
    const live = "live" in found ? found.live : undefined;
    let late = 0;
    let ended = false;
    const add = (bytes: number) => {
      download.bytes += bytes;
      if (live && live.phase !== "ended") live.downloaded.bytes += bytes;
      else late += bytes;
    };
    const end = async () => {
      if (ended) return;
      ended = true;
      download.streams -= 1;
      if (download.streams === 0) this.#going.delete(id);
      if (late > 0) await this.#state.addDownloaded(id, late);
      this.#changed.ring();
    };
    return { add, end };
  }
}
