import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { Logger } from "pino";
import { type Session, StreamCode } from "../lib/stream.ts";
import { credentialKey } from "../tickets/use.ts";
import type { ServedSession } from "../transport/server.ts";
import type { Gate, Principal } from "./principal.ts";
import { serveConnection } from "./serve-connection.ts";

/** Most connections at once. */
export interface SessionLimits {
  /** Of one peer; each of its processes is a peer of its own. */
  readonly ofPeer: number;
  /** Of one ticket or trusted client, once that is proven: peers cost nothing. */
  readonly ofCredential: number;
  /** Of all who have proved who they are. The endpoint bounds the others. */
  readonly known: number;
}

const LIMITS: SessionLimits = { ofPeer: 8, ofCredential: 512, known: 2_048 };

/** What a carrier's sessions are served with. */
export interface SessionsParts {
  readonly handlers: readonly UniversalHandler[];
  /** The gate of a session. */
  readonly gate: (session: Session) => Gate;
  readonly log: Logger;
  readonly limits?: Partial<SessionLimits>;
}

interface Held {
  readonly session: Session;
  readonly served: ServedSession;
}

/** Counts sessions of many, each until it has ended. */
class Tally {
  readonly #counts = new Map<string, number>();
  all = 0;

  of(whose: string): number {
    return this.#counts.get(whose) ?? 0;
  }

  count(whose: string, ended: Promise<unknown>): void {
    this.#add(whose, 1);
    void ended.then(() => this.#add(whose, -1));
  }

  #add(whose: string, by: 1 | -1): void {
    const count = this.of(whose) + by;
    if (count > 0) this.#counts.set(whose, count);
    else this.#counts.delete(whose);
    this.all += by;
  }
}

/** The connections of a builder: bounded for each peer, and without those whose peer does not say who it is. */
export class Sessions {
  readonly #parts: SessionsParts;
  readonly #drain = new AbortController();
  readonly #limits: SessionLimits;
  readonly #held = new Set<Held>();
  readonly #ofPeer = new Tally();
  /** By credential, of those whose peer has proved who it is. */
  readonly #known = new Tally();

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    this.#limits = { ...LIMITS, ...parts.limits };
  }

  /** Connections whose peer has proved who it is. */
  get known(): number {
    return this.#known.all;
  }

  /** Calls under way. */
  get activeCalls(): number {
    return [...this.#held].reduce((sum, { served }) => sum + served.activeCalls, 0);
  }

  /** Serves a session until it ends. */
  take(session: Session): void {
    const { handlers, log } = this.#parts;
    const { peer } = session;
    if (peer !== undefined && this.#ofPeer.of(peer) >= this.#limits.ofPeer) {
      log.warn({ peer }, "refused a connection: its peer has too many");
      void session.close(StreamCode.refused, "too many connections");
      return;
    }
    const gate = this.#parts.gate(session);
    const served = serveConnection(session, { handlers, gate, drain: this.#drain.signal, log });
    const held = { session, served };
    this.#held.add(held);
    void served.closed.then(() => this.#held.delete(held));
    if (peer === undefined) return;
    this.#ofPeer.count(peer, session.closed);
    void this.#expectPrincipal(session, gate);
  }

  async #expectPrincipal(session: Session, gate: Gate): Promise<void> {
    const ended = new AbortController();
    void session.closed.then(() => ended.abort(new Error("the connection ended")));
    try {
      await this.#welcome(session, await gate.principal(ended.signal));
    } catch (error) {
      if (ended.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#parts.log.warn({ peer: session.peer, why }, "closed a connection that did not say who it is");
      await session.close(StreamCode.refused, "nobody presented itself");
    }
  }

  /** What holds strangers is lifted, if there is room for one more of those who are known. */
  async #welcome(session: Session, principal: Principal): Promise<void> {
    const { ofCredential, known } = this.#limits;
    const credential = principal.kind === "guest" ? credentialKey(principal.owner.credential) : principal.kind;
    if (this.#known.of(credential) >= ofCredential || this.#known.all >= known) {
      this.#parts.log.warn({ peer: session.peer, credential, known: this.known }, "refused a connection: too many");
      await session.close(StreamCode.refused, "the builder has too many connections");
      return;
    }
    session.admit?.();
    this.#known.count(credential, session.closed);
  }

  /** Takes no new calls, waits for those under way for a while, and closes. */
  async close(milliseconds: number): Promise<void> {
    this.#drain.abort(new Error("the builder is stopping"));
    const idle = Promise.all([...this.#held].map(({ served }) => served.goAway("the builder is stopping")));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise(resolve => {
      timer = setTimeout(resolve, milliseconds);
    });
    await Promise.race([idle, late]);
    clearTimeout(timer);
    await Promise.all(
      [...this.#held].map(({ session }) => session.close(StreamCode.enough, "the builder has stopped")),
    );
  }
}
