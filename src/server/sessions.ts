import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { Logger } from "pino";
import { type Session, StreamCode } from "../lib/stream.ts";
import type { ServedSession } from "../transport/server.ts";
import type { Gate } from "./principal.ts";
import { serveConnection } from "./serve-connection.ts";

/** Connections of one peer at once; each of its processes is a peer of its own. */
const MAX_OF_PEER = 8;

/** What a carrier's sessions are served with. */
export interface SessionsParts {
  readonly handlers: readonly UniversalHandler[];
  /** The gate of a session. */
  readonly gate: (session: Session) => Gate;
  readonly log: Logger;
}

interface Held {
  readonly session: Session;
  readonly served: ServedSession;
}

/** The connections of a builder: bounded for each peer, and without those whose peer does not say who it is. */
export class Sessions {
  readonly #parts: SessionsParts;
  readonly #drain = new AbortController();
  readonly #held = new Set<Held>();
  #known = 0;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  /** Connections whose peer has proved who it is. */
  get known(): number {
    return this.#known;
  }

  /** Calls under way. */
  get activeCalls(): number {
    return [...this.#held].reduce((sum, { served }) => sum + served.activeCalls, 0);
  }

  /** Serves a session until it ends. */
  take(session: Session): void {
    const { handlers, log } = this.#parts;
    if (session.peer !== undefined && this.#of(session.peer) >= MAX_OF_PEER) {
      log.warn({ peer: session.peer }, "refused a connection: its peer has too many");
      void session.close(StreamCode.refused, "too many connections");
      return;
    }
    const gate = this.#parts.gate(session);
    const served = serveConnection(session, { handlers, gate, drain: this.#drain.signal, log });
    const held = { session, served };
    this.#held.add(held);
    void served.closed.then(() => this.#held.delete(held));
    if (session.peer !== undefined) void this.#expectPrincipal(session, gate);
  }

  #of(peer: string): number {
    return [...this.#held].filter(({ session }) => session.peer === peer).length;
  }

  async #expectPrincipal(session: Session, gate: Gate): Promise<void> {
    const ended = new AbortController();
    void session.closed.then(() => ended.abort(new Error("the connection ended")));
    try {
      await gate.principal(ended.signal);
      session.admit?.();
      this.#known += 1;
      void session.closed.then(() => {
        this.#known -= 1;
      });
    } catch (error) {
      if (ended.signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      this.#parts.log.warn({ peer: session.peer, why }, "closed a connection that did not say who it is");
      await session.close(StreamCode.refused, "nobody presented itself");
    }
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
