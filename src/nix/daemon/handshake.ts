import { Failure } from "../../lib/failure.ts";
import type { Store } from "../store.ts";
import type { ByteReader } from "./bytes.ts";
import type { Greeting } from "./connection.ts";
import { encode } from "./encode.ts";
import { HungUp, protocolError } from "./error.ts";
import { Limit, Magic, minorVersion, OLDEST, OURS } from "./protocol.ts";
import { readReply } from "./reply.ts";
import type { Wire } from "./wire.ts";

/** Greets a daemon and learns who it is. Throws what it says at its start, if that is an error, and `silent()` if it hangs up without a word. */
export async function handshake({ reader, write }: Wire, silent: () => Failure): Promise<Greeting> {
  // The two zeros are obsolete fields (processor affinity, reserved space). All at once: the daemon's answer does not change what we send.
  const [magic] = await Promise.all([reader.int(), write(encode(Magic.client, OURS, 0, 0))]).catch(error => {
    throw error instanceof HungUp ? silent() : error;
  });
  if (magic !== Magic.daemon) throw protocolError("something that is not the greeting of a Nix daemon");
  const protocol = agree(await reader.int());
  const nixVersion = await reader.string(Limit.word);
  const trust = protocol >= minorVersion(35) ? await readTrust(reader) : "unknown";
  const refused = await readReply(reader);
  if (refused) throw refused;
  return { protocol, nixVersion, trust };
}

function agree(theirs: number): number {
  const agreed = Math.min(OURS, theirs);
  if (theirs >> 8 === 1 && agreed >= OLDEST) return agreed;
  const version = `${theirs >> 8}.${theirs & 0xff}`;
  throw new Failure(
    "failed",
    "nix",
    `the Nix daemon speaks version ${version} of its protocol, and 1.34 or newer is needed`,
    {
      reason: "daemon-too-old",
      fix: "upgrade Nix to 2.8 or newer and restart its daemon",
    },
  );
}

async function readTrust(reader: ByteReader): Promise<Store["trust"]> {
  const told = await reader.int();
  return told === 1 ? "trusted" : told === 2 ? "untrusted" : "unknown";
}
