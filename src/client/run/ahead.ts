import type { Store } from "../../nix/store.ts";
import type { Connection } from "../connection/connection.ts";
import type { Identity } from "../connection/identity.ts";
import type { BuildRequest } from "../request.ts";
import type { readTrustSettings as ReadTrustSettings, TrustSettings } from "../trust.ts";
import type { JobAhead, Surroundings } from "./job.ts";
import type { Sought } from "./seek-destination.ts";

/** What a connection ahead is made with. */
export interface AheadParts {
  readonly request: BuildRequest;
  readonly around: Surroundings;
  readonly signal: AbortSignal;
  readonly destination: Sought;
  /** Whether the daemon trusts this user, once it has said so: then nobody asks for Nix's settings. */
  readonly trust: () => Store["trust"] | undefined;
}

/** A connection that is made, and presented, while Nix evaluates: that spends nothing. Where nothing is to be built it is given up. */
export class ConnectionAhead implements JobAhead {
  readonly #parts: AheadParts;
  /** Ends the attempt to connect. */
  readonly #scope = new AbortController();
  readonly #dropped = new AbortController();
  #connection: Promise<Connection> | undefined;
  #identity: Promise<Identity> | undefined;
  #settings: Promise<TrustSettings> | undefined;

  constructor(parts: AheadParts) {
    this.#parts = parts;
    // Whoever takes the connection hears what is wrong with it; where nobody does, nobody needs it.
    this.#begin().catch(() => undefined);
  }

  async #begin(): Promise<void> {
    const { around, destination, signal } = this.#parts;
    const either = AbortSignal.any([signal, this.#scope.signal]);
    await around.notQuick(either);
    await this.askSettings();
    const [{ openConnection }, identity, peer] = await Promise.all([
      import("./with-builder.ts"),
      this.identity(),
      destination(),
    ]);
    either.throwIfAborted();
    this.#connection = openConnection(around.dial, peer, identity, { signal: either });
    await this.#connection;
  }

  /** Has Nix begin to say its settings, where they will decide: another process of it, which works while the rest of the program is loaded. */
  async askSettings(): Promise<void> {
    const trust = this.#parts.trust();
    if (trust === undefined || trust === "trusted") return;
    const { readTrustSettings } = await import("../trust.ts");
    // Whoever needs the answer hears what is wrong with it.
    this.#read(readTrustSettings).catch(() => undefined);
  }

  /** The settings of Nix that decide about imports. */
  async settings(): Promise<TrustSettings> {
    return await this.#read((await import("../trust.ts")).readTrustSettings);
  }

  #read(readTrustSettings: typeof ReadTrustSettings): Promise<TrustSettings> {
    const { around, signal } = this.#parts;
    this.#settings ??= readTrustSettings(around.runNix, AbortSignal.any([signal, this.#dropped.signal]));
    return this.#settings;
  }

  /** Who connects. */
  identity(): Promise<Identity> {
    const { request, around } = this.#parts;
    this.#identity ??= import("./with-builder.ts").then(({ loadIdentity }) =>
      loadIdentity(request.clientKeyFile, around.env),
    );
    return this.#identity;
  }

  take(): Promise<Connection> | undefined {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) this.#scope.abort();
    return connection;
  }

  /** Gives it up, unless it was taken. Returns at once. */
  drop(): void {
    const connection = this.take();
    this.#scope.abort();
    this.#dropped.abort();
    connection?.then(
      made => made.close(),
      () => undefined,
    );
  }
}
