import type { BuildId } from "../../lib/ids.ts";
import type { OpenStore } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { credentialKey, type Owner } from "../../tickets/use.ts";
import { BuildStore } from "../build-store.ts";
import type { Connection } from "../connection.ts";
import type { Guest } from "../principal.ts";
import type { Allowance } from "../upload/allowance.ts";
import { Inputs } from "../upload/inputs.ts";
import type { Room } from "../upload/named-paths.ts";
import type { EventFile } from "./event-file.ts";
import type { Waiting } from "./fair-queue.ts";
import type { BuildRequest, OpenRequest } from "./request.ts";

/** Where a build that has not ended stands. */
export type LivePhase = "reserved" | "starting" | "queued" | "running" | "ended";

/** A build that has not ended, with all that it holds. Owned by `Builds`; the others read it. */
export class LiveBuild implements Waiting {
  readonly id: BuildId;
  readonly owner: Owner;
  /** `ticket:NAME` or `client:NAME`. */
  readonly clientName: string;
  readonly installable: string;
  readonly request: BuildRequest;
  readonly maxBuildSeconds: number | undefined;
  readonly openedAt: number;
  readonly inputs: Inputs;
  /** What it may send together with others. */
  readonly allowance: Allowance | undefined;
  readonly store: BuildStore;
  readonly events: EventFile;
  /** Outputs that are valid and told. */
  readonly ready = new Set<StorePath>();
  /** Outputs that the client has. */
  readonly fetched = new Set<StorePath>();
  readonly connections = new Set<Connection>();
  /** Ends the wait for a connection when nobody is there. */
  grace: NodeJS.Timeout | undefined;
  phase: LivePhase = "reserved";
  queuedAt: number | undefined;
  startedAt: number | undefined;
  position = 0;
  putStreams = 0;
  /** Received bytes that the state knows of. */
  notedBytes = 0;
  /** Of outputs, as they cross the wire. */
  readonly downloaded = { bytes: 0 };
  /** Settles when the result is kept and told. */
  finished: Promise<void> | undefined;
  readonly #ended = new AbortController();

  constructor(open: OpenRequest, guest: Guest, own: OwnParts) {
    this.id = open.build;
    this.owner = guest.owner;
    this.clientName = guest.name;
    this.installable = open.installable;
    this.request = open.request;
    this.maxBuildSeconds = guest.maxBuildSeconds;
    this.openedAt = own.openedAt;
    this.events = own.events;
    this.store = new BuildStore(own.openStore);
    this.allowance = own.allowance;
    const { maxUploadBytes } = guest;
    this.inputs = new Inputs({
      maxPaths: own.maxNamedPaths,
      all: own.room,
      maxUploadBytes,
      allowance: own.allowance,
    });
  }

  /** Aborted when the build has ended: all its uploads end. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  get credential(): string {
    return credentialKey(this.owner.credential);
  }

  get client(): string {
    return this.owner.client;
  }

  /** Its use is spent: where uses are not counted, that pays for what it has sent. */
  paid(): void {
    if (this.allowance?.counted === false) this.allowance.left += this.inputs.received;
  }

  /** Ends all that goes on for it. */
  end(reason: unknown): void {
    clearTimeout(this.grace);
    this.#ended.abort(reason);
    this.inputs.forget();
    this.store.close();
  }
}

/** What the builder gives a build. */
export interface OwnParts {
  readonly openedAt: number;
  readonly events: EventFile;
  readonly openStore: OpenStore;
  readonly maxNamedPaths: number;
  /** For named paths, of all builds. */
  readonly room: Room;
  readonly allowance: Allowance | undefined;
}
