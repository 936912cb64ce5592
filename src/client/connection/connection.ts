import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TicketsPresentRequestSchema } from "../../../gen/drvthru/v1/tickets_pb.js";
import { Failure } from "../../lib/failure.ts";
import { type EndpointId, parseId } from "../../lib/ids.ts";
import { VERSION } from "../../lib/protocol.ts";
import { type PublicKey, parsePublicKey } from "../../nix/signing-key.ts";
import { proofKind, prove } from "../../tickets/proof.ts";
import type { Principal } from "../builder.ts";
import { cancelled } from "../cancelled.ts";
import { toFailure } from "../errors.ts";
import { toPrincipal } from "../wire.ts";
import type { Destination } from "./destination.ts";
import type { Dial, Dialled, PathKind, PathListener } from "./dial.ts";
import type { Identity } from "./identity.ts";
import { refuseOtherKey } from "./other-key.ts";
import { type Services, servicesOf } from "./services.ts";

/** A presented connection to a builder. */
export interface Connection {
  readonly services: Services;
  readonly principal: Principal;
  /** The key whose signatures count: known beforehand, or what the builder said over this authenticated connection. */
  readonly signingKey: PublicKey;
  path(): PathKind;
  /** Calls `listener` after each change of the way, until the connection ends. */
  watchPath(listener: PathListener): void;
  close(): Promise<void>;
}

/** How long a builder may take to be reached, and then to answer `Present`, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 30_000;

/** Connects under a fresh key and presents. Whatever fails, nothing stays open. */
export async function openConnection(
  dial: Dial,
  destination: Destination,
  identity: Identity,
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined } = {},
): Promise<Connection> {
  const { timeoutMs = CONNECT_TIMEOUT_MS, signal } = options;
  const dialled = await dial(destination.peer, { timeoutMs, signal }).catch(error => {
    throw signal?.aborted ? cancelled(signal.reason) : withAdvice(toFailure(error, "connecting"), destination);
  });
  try {
    return await present(dialled, destination, identity, signal);
  } catch (error) {
    await dialled.close();
    throw signal?.aborted ? cancelled(signal.reason) : withOwnId(toFailure(error, "presenting"), identity);
  }
}

async function present(
  dialled: Dialled,
  destination: Destination,
  identity: Identity,
  signal: AbortSignal | undefined,
): Promise<Connection> {
  const services = servicesOf(dialled.session);
  const proofs = proofsFor(dialled, destination, identity);
  const answer = await services.tickets.present(
    { proofs, clientVersion: VERSION },
    { timeoutMs: CONNECT_TIMEOUT_MS, ...(signal && { signal }) },
  );
  const principal = toPrincipal(answer);
  const said = parsePublicKey(principal.signingKey);
  refuseOtherKey(destination, said);
  return {
    services,
    principal,
    signingKey: said,
    path: () => dialled.path(),
    watchPath: listener => dialled.watchPath(listener),
    close: () => dialled.close(),
  };
}

type ProofInit = NonNullable<MessageInitShape<typeof TicketsPresentRequestSchema>["proofs"]>;

function proofsFor({ session }: Dialled, { peer, ticket }: Destination, identity: Identity): ProofInit {
  const connection = parseId<EndpointId>(session.local ?? "");
  if (connection === undefined || session.peer !== peer.endpointId) {
    throw new Failure("failed", "the network", "the other end is not the builder that was asked for");
  }
  const ends = { builder: peer.endpointId, connection };
  const own = prove("client-key", identity.seed, ends);
  const proofs = ticket === undefined ? [own] : [own, prove("ticket", ticket.secret, ends)];
  return proofs.map(proof => ({ ...proof, kind: proofKind[proof.kind] }));
}

/** What to do about a builder that is not reached, where nothing else says so. */
function withAdvice(failure: Failure, destination: Destination): Failure {
  if (failure.code !== "unreachable" || failure.fix !== undefined) return failure;
  const { code, who, message, reason, cause } = failure;
  const fix = reason === "wrong-endpoint" ? OTHER_BUILDER : adviceFor(destination);
  return new Failure(code, who, message, { fix, cause, ...(reason !== undefined && { reason }) });
}

const OTHER_BUILDER = "it has a new key, or another address: ask its owner for a new ticket or its new id";

function adviceFor({ peer, ticket, name }: Destination): string {
  const look = "see that `drv-thru serve` runs there and can be reached from here";
  if (ticket !== undefined) return `${look}; if it has moved, ask its owner for a new ticket`;
  if (peer.addresses.length + peer.relayUrls.length > 0) return look;
  return name === undefined
    ? "say where it is: --address IP:PORT or --relay-url URL"
    : "say in its builder file where it is: addresses or relay_url";
}

/** Who is refused for what they are is told what to send to the owner. */
function withOwnId(failure: Failure, identity: Identity): Failure {
  if (failure.reason !== "client-not-trusted" && failure.reason !== "ticket-bound") return failure;
  const { code, who, message, reason, cause } = failure;
  const fix = `send your client id to the builder's owner, to be allowed: ${identity.id}`;
  return new Failure(code, who, message, { reason, fix, cause });
}
