import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Client, ConnectError, createClient, createConnectRouter, createContextValues } from "@connectrpc/connect";
import { pino } from "pino";
import { Reason, RefusalSchema } from "../../gen/drvthru/v1/common_pb.js";
import { Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import type { BuildId, ClientId, EndpointId, TicketId } from "../../src/lib/ids.ts";
import { administratorGate, type GateLimits, guestGate, requestGate } from "../../src/server/access.ts";
import { faultOf } from "../../src/server/faults.ts";
import type { TrustedClient } from "../../src/server/present.ts";
import { gateKey } from "../../src/server/principal.ts";
import { shieldErrors } from "../../src/server/refusal.ts";
import { type TicketsParts, ticketsService } from "../../src/server/tickets-service.ts";
import { openState } from "../../src/state/open.ts";
import type { State } from "../../src/state/state.ts";
import { idOfSecret, type Proof, proofKind, prove } from "../../src/tickets/proof.ts";
import { sealingKey } from "../../src/tickets/seal.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { routerOptions } from "../../src/transport/limits.ts";
import { serveSession } from "../../src/transport/server.ts";
import { memoryPair } from "../fakes/memory-session.ts";

/** A builder's door: the service of tickets behind its gate, reached as over the network. */
export interface Door {
  readonly state: State;
  readonly logged: string[];
  readonly revocations: { ticket: TicketId; refunded: readonly BuildId[]; cancelRunning: boolean }[];
  readonly reachable: { relayUrls: string[]; addresses: string[] };
  now: number;
  administrator(): Client<typeof Tickets>;
  guest(own: EndpointId, limits?: Partial<GateLimits>): Client<typeof Tickets>;
}

export const builder = "be".repeat(32) as EndpointId;
export const signingKey = `drv-thru:${Buffer.alloc(32, 5).toString("base64")}`;

/** An endpoint's id that nobody has a key of: the tests' carrier proves whatever it is told. */
export function endpoint(n: number): EndpointId {
  return n.toString(16).padStart(64, "e") as EndpointId;
}

/** A 32-byte seed. */
export function seed(n: number): Uint8Array {
  return new Uint8Array(32).fill(n);
}

/** The id of a client's key. */
export function clientId(n: number): ClientId {
  return idOfSecret<ClientId>(seed(n));
}

/** The proofs that a client with a key, and perhaps a ticket, presents from its endpoint. */
export function proofs(own: EndpointId, client: Uint8Array, ticket?: Uint8Array, at = builder) {
  const ends = { builder: at, connection: own };
  const made = [prove("client-key", client, ends), ...(ticket === undefined ? [] : [prove("ticket", ticket, ends)])];
  return made.map(onWire);
}

/** A proof as the wire has it. */
export function onWire(proof: Proof) {
  return { kind: proofKind[proof.kind], publicKey: proof.publicKey, signature: proof.signature };
}

/** Makes a door for one test. */
export async function door(t: TestContext, trusted: readonly TrustedClient[] = []): Promise<Door> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-door-"));
  const state = await openState(folder);
  const logged: string[] = [];
  const log = pino({ level: "debug" }, { write: line => void logged.push(line) });
  const revocations: Door["revocations"] = [];
  const reachable = { relayUrls: ["https://relay.example.org/"], addresses: ["192.0.2.1:4433", "[fe80::1%eth0]:1"] };
  const made: Door = { state, logged, revocations, reachable, now: 1_700_000_000_000, administrator, guest };
  const parts: TicketsParts = {
    state,
    trustedClients: new Map(trusted.map(client => [client.id, client])),
    sealingKey: sealingKey(seed(99)),
    endpoint: builder,
    signingKey,
    version: "1.2.3",
    maxPutStreams: 4,
    addresses: () => reachable,
    nix: async () => ({ version: "2.30", systems: ["x86_64-linux"], features: ["kvm"] }),
    revoked: async (ticket, refunded, cancelRunning) => {
      revocations.push({ ticket, refunded, cancelRunning });
      return cancelRunning ? 1 : 0;
    },
    now: () => made.now,
    log,
  };
  const router = createConnectRouter({ ...routerOptions, requestGate, interceptors: [shieldErrors(log, faultOf)] });
  router.service(Tickets, ticketsService(parts));
  const pairs: ReturnType<typeof memoryPair>[] = [];
  t.after(async () => {
    for (const pair of pairs) await pair.close();
    await state.close();
    await rm(folder, { recursive: true, force: true });
  });
  function connect(gate: ReturnType<typeof administratorGate>): Client<typeof Tickets> {
    const pair = memoryPair();
    pairs.push(pair);
    serveSession(pair.server, router.handlers, { contextValues: () => createContextValues().set(gateKey, gate) });
    return createClient(Tickets, connectTransport(pair.client));
  }
  function administrator() {
    return connect(administratorGate());
  }
  function guest(own: EndpointId, limits: Partial<GateLimits> = {}) {
    return connect(guestGate({ peer: own, local: builder }, limits));
  }
  return made;
}

/** What a refused call says. */
export async function refusal(promise: Promise<unknown>) {
  const error = ConnectError.from(
    await promise.then(
      () => new Error("it was not refused"),
      error => error,
    ),
  );
  const [detail] = error.findDetails(RefusalSchema);
  const reason = Reason[detail?.reason ?? Reason.UNSPECIFIED];
  return { reason, message: error.rawMessage, subject: detail?.subject ?? "", fix: detail?.fix ?? "" };
}
