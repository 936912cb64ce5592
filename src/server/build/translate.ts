import type { StoreEvent } from "../../nix/store.ts";
import { cut } from "../refusal.ts";
import type { NewEvent } from "./event-records.ts";

/** Nix's numbers for what it does and says: see `docs/architecture.md`. */
const ACTIVITY = { builds: 104, build: 105, substitute: 108 } as const;
const RESULT = { buildLogLine: 101, setPhase: 104, progress: 105, postBuildLogLine: 107 } as const;
const MAX_PHASE = 128;

/** What a daemon says while it builds, in the words of the wire. Remembers which of its activities are derivations. */
export class Translator {
  readonly #activities = new Map<bigint, { readonly number: bigint; readonly path: string }>();
  readonly #builds = new Set<bigint>();
  #last = 0n;
  #counts = "";

  /** The event, or `undefined` for what nobody needs to know. */
  translate(event: StoreEvent): NewEvent | undefined {
    if (event.kind === "start") return this.#start(event);
    if (event.kind === "stop") return this.#stop(event.activity);
    if (event.kind === "result") return this.#result(event);
    return { case: "logLine", value: { activity: 0n, text: event.text.trimEnd() } };
  }

  /** The derivation or path of an activity that has not stopped. */
  pathOf(activity: bigint): string | undefined {
    return this.#activities.get(activity)?.path;
  }

  #start({ activity, type, fields }: Extract<StoreEvent, { kind: "start" }>): NewEvent | undefined {
    if (type === ACTIVITY.builds) this.#builds.add(activity);
    if (type !== ACTIVITY.build && type !== ACTIVITY.substitute) return undefined;
    const path = String(fields[0] ?? "");
    this.#last += 1n;
    this.#activities.set(activity, { number: this.#last, path });
    return {
      case: "derivationStarted",
      value: { activity: this.#last, path, substituted: type === ACTIVITY.substitute },
    };
  }

  #stop(activity: bigint): NewEvent | undefined {
    const known = this.#activities.get(activity);
    this.#activities.delete(activity);
    this.#builds.delete(activity);
    return known && { case: "derivationFinished", value: { activity: known.number } };
  }

  #result({ activity, type, fields }: Extract<StoreEvent, { kind: "result" }>): NewEvent | undefined {
    const number = this.#activities.get(activity)?.number ?? 0n;
    if (type === RESULT.buildLogLine || type === RESULT.postBuildLogLine) {
      return { case: "logLine", value: { activity: number, text: String(fields[0] ?? "") } };
    }
    if (type === RESULT.setPhase && number !== 0n) {
      return { case: "derivationPhase", value: { activity: number, phase: cut(String(fields[0] ?? ""), MAX_PHASE) } };
    }
    if (type !== RESULT.progress || !this.#builds.has(activity)) return undefined;
    const counts = fields.slice(0, 4).map(count);
    // Nix repeats itself.
    if (counts.join() === this.#counts) return undefined;
    this.#counts = counts.join();
    const [done, expected, running, failed] = counts;
    return {
      case: "progress",
      value: { done: done ?? 0n, expected: expected ?? 0n, running: running ?? 0n, failed: failed ?? 0n },
    };
  }
}

function count(field: bigint | string): bigint {
  return typeof field === "bigint" ? field : 0n;
}
