import { randomBytes } from "node:crypto";
import { openConnection } from "../../src/client/connection/connection.ts";
import { ofTicket } from "../../src/client/connection/destination.ts";
import { dialIroh } from "../../src/client/iroh.ts";
import type { ClientId } from "../../src/lib/ids.ts";
import { idOfSecret } from "../../src/tickets/proof.ts";
import type { Caller } from "../server/calls.ts";

/** Who speaks to a real builder over Iroh as no honest client does: from outside of all hosts, whose network is this machine's. */
export type Intruder = Caller & AsyncDisposable;

/** Presents a ticket, with a client key of its own. */
export async function intrude(ticket: string): Promise<Intruder> {
  const seed = randomBytes(32);
  const identity = { seed, id: idOfSecret<ClientId>(seed), file: undefined, created: true };
  const { services, close } = await openConnection(dialIroh, ofTicket(ticket), identity);
  const { build, upload, cache } = services;
  return { build, upload, cache, [Symbol.asyncDispose]: close };
}
