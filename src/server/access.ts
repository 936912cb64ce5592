import { Code, type ConnectError, type HandlerContext } from "@connectrpc/connect";
import { Build } from "../../gen/drvthru/v1/build_pb.js";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import { Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import { type EndpointId, parseId } from "../lib/ids.ts";
import type { Session } from "../lib/stream.ts";
import { sameOwner } from "../tickets/use.ts";
import { connectionOf } from "./connection.ts";
import { type Gate, type Guest, gateOf, type Principal, principalOf } from "./principal.ts";
import { refuse } from "./refusal.ts";

/** Bounds of the calls that come before `Present` is answered. */
export interface GateLimits {
  /** Most of them that wait at once; the next is refused. */
  readonly maxWaiting: number;
  /** Milliseconds that one waits. */
  readonly maxWaitMs: number;
  /** Most calls of `Present` itself: each has signatures to be checked, and whoever makes it is nobody yet. */
  readonly maxKnocks: number;
}

const DEFAULTS: GateLimits = { maxWaiting: 32, maxWaitMs: 10_000, maxKnocks: 16 };

/** Connect's `requestGate`: no body of a call is read before somebody is behind it. `Present` alone passes. */
export async function requestGate(context: HandlerContext): Promise<void> {
  if (context.method === Tickets.method.present) gateOf(context).knock();
  else await principalOf(context);
  if (context.method === Build.method.open) connectionOf(context).opens.begin(context.signal);
}

/** The gate that fits a session. Only a Unix socket makes an administrator: a network's session whose ends are not proven opens to nobody. */
export function gateOfSession(session: Pick<Session, "peer" | "local" | "calls">): Gate {
  if (session.calls === "one" && session.peer === undefined && session.local === undefined) return administratorGate();
  const peer = parseId<EndpointId>(session.peer ?? "");
  const local = parseId<EndpointId>(session.local ?? "");
  return peer !== undefined && local !== undefined ? guestGate({ peer, local }) : closedGate();
}

function closedGate(): Gate {
  const refusal = () => refuse(Reason.NOT_PERMITTED, Code.Unauthenticated, "this connection does not prove its ends");
  return {
    ends: undefined,
    knock: () => {
      throw refusal();
    },
    principal: () => Promise.reject(refusal()),
    settle: () => {
      throw refusal();
    },
  };
}

/** The gate of a session whose holder is the administrator, by the permissions of its socket. */
export function administratorGate(): Gate {
  return {
    ends: undefined,
    knock: () => undefined,
    principal: () => Promise.resolve({ kind: "administrator" }),
    settle: () => {
      throw new Error("the administrator's socket settles no guest");
    },
  };
}

/** The gate of a session between two proven endpoints: it is shut until one guest is settled. */
export function guestGate(ends: { peer: EndpointId; local: EndpointId }, limits: Partial<GateLimits> = {}): Gate {
  return new GuestGate(ends, { ...DEFAULTS, ...limits });
}

class GuestGate implements Gate {
  readonly ends: { readonly peer: EndpointId; readonly local: EndpointId };
  readonly #limits: GateLimits;
  readonly #waiting = new Set<(guest: Guest) => void>();
  #guest: Guest | undefined;
  #knocks = 0;

  constructor(ends: { peer: EndpointId; local: EndpointId }, limits: GateLimits) {
    this.ends = ends;
    this.#limits = limits;
  }

  knock(): void {
    this.#knocks += 1;
    if (this.#knocks <= this.#limits.maxKnocks) return;
    const message = `Present was called more than ${this.#limits.maxKnocks} times on this connection`;
    throw refuse(Reason.LIMIT, Code.ResourceExhausted, message);
  }

  principal(signal: AbortSignal): Promise<Principal> {
    if (this.#guest !== undefined) return Promise.resolve(this.#guest);
    if (this.#waiting.size >= this.#limits.maxWaiting) {
      const message = `more than ${this.#limits.maxWaiting} calls of this connection wait for Present`;
      return Promise.reject(refuse(Reason.LIMIT, Code.ResourceExhausted, message));
    }
    return this.#wait(signal);
  }

  settle(guest: Guest): void {
    if (this.#guest !== undefined && !sameOwner(this.#guest.owner, guest.owner)) {
      throw refuse(
        Reason.BAD_PROOF,
        Code.AlreadyExists,
        `this connection already speaks for ${this.#guest.name}; another needs a connection of its own`,
      );
    }
    this.#guest = guest;
    for (const pass of this.#waiting) pass(guest);
  }

  #wait(signal: AbortSignal): Promise<Principal> {
    return new Promise((resolve, reject) => {
      const done = () => {
        this.#waiting.delete(pass);
        clearTimeout(timer);
        signal.removeEventListener("abort", left);
      };
      const pass = (guest: Guest) => {
        done();
        resolve(guest);
      };
      const left = () => {
        done();
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        done();
        reject(nobodyPresented(this.#limits.maxWaitMs));
      }, this.#limits.maxWaitMs);
      this.#waiting.add(pass);
      signal.addEventListener("abort", left);
      if (signal.aborted) left();
    });
  }
}

function nobodyPresented(ms: number): ConnectError {
  return refuse(Reason.NOT_PERMITTED, Code.Unauthenticated, `nobody was presented on this connection within ${ms} ms`, {
    fix: "call Tickets.Present first",
  });
}
