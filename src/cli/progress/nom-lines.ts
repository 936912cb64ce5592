import type { BuildEvent } from "../../client/events.ts";
import type { FailedDerivation } from "../../client/report.ts";

/** Numbers of Nix's internal JSON: what is done, and what is told of it. */
const ACTIVITY = { copyPath: 100, builds: 104, build: 105, substitute: 108 } as const;
const RESULT = { buildLogLine: 101, setPhase: 104, progress: 105 } as const;
const LEVEL = { error: 0, info: 3, talkative: 4 } as const;

/** The activity that counts derivations; those of the builder are numbered from 1 and come after. */
const BUILDS = 1;
const FIRST = 2;
/** Fetched outputs have numbers of their own, far above. */
const COPIES = 2 ** 40;

/** The events of a build as lines of Nix's `--log-format internal-json`. */
export class NomLines {
  readonly #builder: string;
  readonly #copies = new Map<string, number>();
  #begun = false;

  /** `builder`: as what it is shown. */
  constructor(builder: string) {
    this.#builder = `ssh-ng://${builder}`;
  }

  /** The lines for an event, each with its line feed; none for what nom has no word for. */
  of(event: BuildEvent): string {
    const told = this.#told(event);
    if (told === undefined) return "";
    if (this.#begun) return line(told);
    this.#begun = true;
    return line(start(BUILDS, ACTIVITY.builds, "", [])) + line(told);
  }

  /** The lines for a sentence of ours, which nom shows above its own. */
  note(text: string): string {
    return line({ action: "msg", level: LEVEL.info, msg: text });
  }

  /** The lines that tell of a failed derivation. */
  failed({ message }: FailedDerivation): string {
    const [first = ""] = message.split("\n");
    return line({ action: "msg", level: LEVEL.error, msg: `error: ${first.replace(/^error: /, "")}` });
  }

  #told(event: BuildEvent): object | undefined {
    switch (event.kind) {
      case "derivation-started": {
        const { path, substituted } = event;
        const id = FIRST + event.activity;
        return substituted
          ? start(id, ACTIVITY.substitute, "", [path, this.#builder])
          : start(id, ACTIVITY.build, `building '${path}'`, [path, this.#builder, 1, 1]);
      }
      case "derivation-phase":
        return result(FIRST + event.activity, RESULT.setPhase, [event.phase]);
      case "derivation-finished":
        return { action: "stop", id: FIRST + event.activity };
      case "log":
        return event.activity === 0
          ? { action: "msg", level: LEVEL.info, msg: event.text }
          : result(FIRST + event.activity, RESULT.buildLogLine, [event.text]);
      case "progress":
        return result(BUILDS, RESULT.progress, [event.done, event.expected, event.running, event.failed]);
      default:
        return this.#copied(event);
    }
  }

  /** That an output has come is how nom learns that a builder elsewhere has finished it. */
  #copied(event: BuildEvent): object | undefined {
    if (event.kind === "output-ready" && !this.#copies.has(event.path)) {
      const id = COPIES + this.#copies.size;
      this.#copies.set(event.path, id);
      return start(id, ACTIVITY.copyPath, "", [event.path, this.#builder, ""]);
    }
    const id = event.kind === "imported" ? this.#copies.get(event.path) : undefined;
    return id === undefined ? undefined : { action: "stop", id };
  }
}

function start(id: number, type: number, text: string, fields: readonly (string | number)[]): object {
  return { action: "start", id, level: text === "" ? LEVEL.talkative : LEVEL.info, type, text, parent: 0, fields };
}

function result(id: number, type: number, fields: readonly (string | number)[]): object {
  return { action: "result", id, type, fields };
}

function line(value: object): string {
  return `@nix ${JSON.stringify(value)}\n`;
}
