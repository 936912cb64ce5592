import type { Connection } from "../connection.ts";
import type { LiveBuild } from "./live-build.ts";

/** Knows which connections each build lives by, and notices when one has had none for too long. */
export class Presence {
  readonly #graceTime: number;
  readonly #abandoned: (build: LiveBuild) => void;

  /** `graceTime`: how long a build lives alone, in milliseconds; then `abandoned` hears of it. */
  constructor(graceTime: number, abandoned: (build: LiveBuild) => void) {
    this.#graceTime = graceTime;
    this.#abandoned = abandoned;
  }

  /** The build lives while this connection does. */
  attach(build: LiveBuild, connection: Connection): void {
    if (build.phase === "ended" || build.connections.has(connection)) return;
    if (connection.ended.aborted) {
      this.#watchAlone(build);
      return;
    }
    clearTimeout(build.grace);
    build.connections.add(connection);
    const detach = () => {
      build.connections.delete(connection);
      this.#watchAlone(build);
    };
    connection.ended.addEventListener("abort", detach, { once: true });
    build.ended.addEventListener("abort", () => connection.ended.removeEventListener("abort", detach), { once: true });
  }

  #watchAlone(build: LiveBuild): void {
    if (build.connections.size > 0 || build.phase === "ended") return;
    clearTimeout(build.grace);
    build.grace = setTimeout(() => this.#abandoned(build), this.#graceTime);
  }
}
