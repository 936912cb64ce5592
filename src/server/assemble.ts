import type { Logger } from "pino";
import { Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import type { ClientId, EndpointId } from "../lib/ids.ts";
import { VERSION } from "../lib/protocol.ts";
import { formatPublicKey, type SecretKey } from "../nix/signing-key.ts";
import type { OpenStore } from "../nix/store.ts";
import type { State } from "../state/state.ts";
import { gateOfSession } from "./access.ts";
import type { ServerLimits } from "./limits.ts";
import type { Machine } from "./machine.ts";
import type { TrustedClient } from "./present.ts";
import { revokeBuilds } from "./revoke.ts";
import { createServices, type Services } from "./services.ts";
import { Sessions } from "./sessions.ts";
import { ticketsService } from "./tickets-service.ts";

/** What a builder is put together from. */
export interface AssemblyParts {
  readonly state: State;
  readonly openStore: OpenStore;
  readonly machine: Machine;
  readonly limits: ServerLimits;
  /** Absolute. */
  readonly dataFolder: string;
  readonly signingKey: SecretKey;
  readonly sealingKey: Uint8Array;
  readonly trustedClients: ReadonlyMap<ClientId, TrustedClient>;
  readonly endpoint: EndpointId;
  /** Which implementation of Iroh that endpoint is of, for people. */
  readonly iroh: string;
  /** Where the builder can be reached now. */
  readonly addresses: () => { readonly relayUrls: readonly string[]; readonly addresses: readonly string[] };
  readonly log: Logger;
}

/** A builder without its carriers: sessions of any kind can be given to it. */
export interface Assembly {
  readonly services: Services;
  readonly sessions: Sessions;
}

/** Puts all services together behind their gates. */
export async function assemble(parts: AssemblyParts): Promise<Assembly> {
  const { limits, log, machine } = parts;
  const now = () => Date.now();
  const held: { sessions?: Sessions } = {};
  const services = await createServices({
    ...parts,
    trustedKeys: machine.trustedKeys,
    building: machine.building,
    version: VERSION,
    connectedClients: () => held.sessions?.known ?? 0,
    now,
  });
  const tickets = ticketsService({
    ...parts,
    signingKey: formatPublicKey(parts.signingKey.public),
    version: VERSION,
    maxPutStreams: limits.maxPutStreams,
    nix: async () => machine,
    revoked: (ticket, refunded, cancelRunning) =>
      revokeBuilds(services.builds, ticket, refunded, { cancelRunning, daemonTime: limits.daemonCancelTime }),
    now,
  });
  const handlers = services.handlers(router => {
    router.service(Tickets, tickets);
  });
  const sessions = new Sessions({ handlers, gate: gateOfSession, log });
  held.sessions = sessions;
  return { services, sessions };
}
