// Run by a guest on a host: names a store path of somebody else in a derivation of its own, and tells as JSON what the builder says to that.
// usage: thief.ts PATH CONTENT-ADDRESS   with the ticket in DRV_THRU_TICKET
import { openConnection } from "../../../src/client/connection/connection.ts";
import { ofTicket } from "../../../src/client/connection/destination.ts";
import { loadIdentity } from "../../../src/client/connection/identity.ts";
import { dialIroh } from "../../../src/client/iroh.ts";
import { parseContentAddress, requiredHash } from "../../../src/nix/content-address.ts";
import type { Sha256 } from "../../../src/nix/hash.ts";
import { parseStorePath } from "../../../src/nix/store-path.ts";
import { derivation, fileNar } from "../../fakes/make-path.ts";
import { missing, open, put, refused } from "../../server/calls.ts";

const path = parseStorePath(process.argv[2] ?? "");
const ca = process.argv[3] ?? "";
const narHash = requiredHash(parseContentAddress(ca))?.hash.hex as Sha256 | undefined;
const ticket = process.env["DRV_THRU_TICKET"] ?? "";
if (!path || !narHash) throw new Error("usage: thief.ts PATH CONTENT-ADDRESS");

const identity = await loadIdentity(undefined, process.env);
const connection = await openConnection(dialIroh, ofTicket(ticket), identity);
const guest = { ...connection.services, principal: connection.principal, kill: () => undefined };

// It knows all about the path but what is in it.
const nar = fileNar("only a guess");
const info = { path, narHash, narSize: nar.length, references: [], signatures: [], ca };
const secret = { nar, info };
const reader = derivation({ name: "reader", script: `cat ${path} > $out`, sources: [path] });
const buildId = await open(guest as never, [reader]);
const lacking = await missing(guest as never, buildId, [secret, reader]);
const sent = await refused(put(guest as never, buildId, [reader]));
const guessed = await refused(put(guest as never, buildId, [secret]));
const started = await refused(guest.build.start({ buildId }));
process.stdout.write(`${JSON.stringify({ lacking, sent, guessed, started })}\n`);
await connection.close();
