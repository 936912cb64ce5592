import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { BuildId, ClientId, TicketId } from "../../src/lib/ids.ts";
import type { BuildEnd, ReserveRequest } from "../../src/state/state.ts";
import type { Ticket } from "../../src/tickets/ticket.ts";
import type { Owner } from "../../src/tickets/use.ts";

/** An empty folder that is gone after the test. */
export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "drv-thru-state-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export const id = {
  ticket: (n: number): TicketId => hex(n, "a") as TicketId,
  client: (n: number): ClientId => hex(n, "c") as ClientId,
  build: (n: number): BuildId => hex(n, "b") as BuildId,
};

export function ticket(n: number, changes: Partial<Ticket> = {}): Ticket {
  return {
    id: id.ticket(n),
    name: `ticket-${n}`,
    createdAt: 1000 + n,
    expiresAt: 1_000_000,
    uses: 1,
    committed: 0,
    reserved: 0,
    maxBuildSeconds: 1800,
    maxUploadBytes: 20 * 2 ** 30,
    boundClient: undefined,
    revokedAt: undefined,
    sealedSecret: Uint8Array.of(1, 2, 3),
    ...changes,
  };
}

export function ticketOwner(ticketNumber: number, clientNumber: number): Owner {
  return { credential: { kind: "ticket", id: id.ticket(ticketNumber) }, client: id.client(clientNumber) };
}

export function keyOwner(clientNumber: number): Owner {
  return { credential: { kind: "client-key", id: id.client(clientNumber) }, client: id.client(clientNumber) };
}

export function request(build: number, owner: Owner, changes: Partial<ReserveRequest> = {}): ReserveRequest {
  return {
    build: id.build(build),
    owner,
    digest: "d1".repeat(32),
    request: Uint8Array.of(9, 8, 7),
    installable: "nixpkgs#hello",
    clientName: "ticket:friend",
    ...changes,
  };
}

export function end(at: number): BuildEnd {
  return { at, result: Uint8Array.of(4, 2), uploadedBytes: 10, downloadedBytes: 20 };
}

function hex(n: number, letter: string): string {
  return letter + n.toString(16).padStart(63, "0");
}
