import { Code, type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { EndpointId } from "../lib/ids.ts";
import type { Owner, UseRefusal } from "../tickets/use.ts";
import { refuse } from "./refusal.ts";

/** Who asks: whoever may open the administrator's socket, or a guest that proved itself. */
export type Principal = Administrator | Guest;

/** The holder of the local socket. */
export interface Administrator {
  readonly kind: "administrator";
}

/** Why a guest that is let in may open nothing new. */
export type Standing =
  | Extract<UseRefusal, "ticket-expired" | "ticket-exhausted" | "ticket-revoked">
  | "client-not-trusted";

/** A peer that proved a client key, and a ticket's secret if it came with a ticket. */
export interface Guest {
  readonly kind: "guest";
  readonly owner: Owner;
  /** For people: `ticket:NAME` or `client:NAME`. */
  readonly name: string;
  /** Why new builds are refused, as it stood at `Present`; what the guest already has it may still reach. */
  readonly standing: Standing | undefined;
  /** Longest time of one build from slot to result, or `undefined` for no limit. */
  readonly maxBuildSeconds: number | undefined;
  /** Most bytes of NAR that one build may send, or `undefined` for no limit. */
  readonly maxUploadBytes: number | undefined;
  readonly peer: EndpointId;
}

/** What stands between one session and the services: it knows, or will know, who is asking. */
export interface Gate {
  /** Both ends of the session as its carrier proved them, or `undefined` where it proves none. */
  readonly ends: { readonly peer: EndpointId; readonly local: EndpointId } | undefined;
  /** Somebody wants to be presented. Throws a refusal when that was too often. */
  knock(): void;
  /** Waits for the principal, bounded in number and time. Throws a refusal. */
  principal(signal: AbortSignal): Promise<Principal>;
  /** The one principal of the session. Repeating the same is fine, another is refused. */
  settle(guest: Guest): void;
}

/** Holds a session's gate; whoever serves a session puts it into the context values of each call. */
export const gateKey: ContextKey<Gate | undefined> = createContextKey<Gate | undefined>(undefined, {
  description: "the gate of the session",
});

/** The session's gate. */
export function gateOf(context: HandlerContext): Gate {
  const gate = context.values.get(gateKey);
  if (gate === undefined) throw new Error("a call came without a gate in its context");
  return gate;
}

/** Who makes this call. Waits for `Present`; throws a refusal if it does not come. */
export async function principalOf(context: HandlerContext): Promise<Principal> {
  return await gateOf(context).principal(context.signal);
}

/** The guest that makes this call. Throws a refusal for the administrator, whose socket starts no builds. */
export async function guestOf(context: HandlerContext): Promise<Guest> {
  const principal = await principalOf(context);
  if (principal.kind === "guest") return principal;
  throw refuse(
    Reason.NOT_PERMITTED,
    Code.PermissionDenied,
    `${context.method.name} is for clients that present a ticket or a key, not for the administrator's socket`,
  );
}

/** Throws a refusal unless the administrator makes this call. */
export async function requireAdministrator(context: HandlerContext): Promise<void> {
  const principal = await principalOf(context);
  if (principal.kind === "administrator") return;
  throw refuse(
    Reason.NOT_PERMITTED,
    Code.PermissionDenied,
    `${context.method.name} is for the builder's administrator alone`,
    { fix: "run it on the builder itself" },
  );
}
