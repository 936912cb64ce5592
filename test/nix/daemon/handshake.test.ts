import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../../src/lib/failure.ts";
import { encode, type Field } from "../../../src/nix/daemon/encode.ts";
import { handshake } from "../../../src/nix/daemon/handshake.ts";
import { Magic, minorVersion } from "../../../src/nix/daemon/protocol.ts";
import { failure } from "../../contract/store/tools.ts";
import { errorReply, reply, scripted } from "./scripted.ts";

const silent = () => new Failure("not-permitted", "nix", "hung up without a word");

/** A daemon of this minor version that says these fields before its start is over. */
function daemon(minor: number, ...fields: Field[]): Buffer {
  return encode(Magic.daemon, minorVersion(minor), ...fields);
}

const versions: readonly [what: string, bytes: Buffer, protocol: number, nix: string, trust: string][] = [
  ["Nix 2.8 (1.34)", daemon(34, "2.8.0"), 34, "2.8.0", "unknown"],
  ["Lix (1.35) that trusts us", daemon(35, "2.91.1", 1), 35, "2.91.1", "trusted"],
  ["Nix 2.20 (1.37) that does not", daemon(37, "2.20.1", 2), 37, "2.20.1", "untrusted"],
  ["Nix 2.34 (1.38), which then speaks 1.37", daemon(38, "2.34.8", 2), 37, "2.34.8", "untrusted"],
  ["a daemon that does not say whom it trusts", daemon(37, "2.30.0", 0), 37, "2.30.0", "unknown"],
  ["a later minor version", daemon(99, "3.0.0", 1), 37, "3.0.0", "trusted"],
];
for (const [what, bytes, protocol, nixVersion, trust] of versions) {
  test(`greets ${what}`, async () => {
    const wire = scripted(bytes, reply());
    assert.deepEqual(await handshake(wire, silent), { protocol: minorVersion(protocol), nixVersion, trust });
    assert.deepEqual(wire.heard(), encode(0x6e697863, 0x125, 0, 0));
  });
}

for (const [what, version] of [
  ["1.33, the version before the oldest", minorVersion(33)],
  ["2.0, another protocol", 0x200],
] as const) {
  test(`refuses a daemon that speaks ${what}`, async () => {
    const wire = scripted(encode(Magic.daemon, version, "2.7.0"), reply());
    await assert.rejects(handshake(wire, silent), failure({ who: "nix", reason: "daemon-too-old" }));
  });
}

test("an error that the daemon starts with is told in its words", async () => {
  const wire = scripted(
    daemon(34, "2.8.0"),
    errorReply("\u001b[31;1merror:\u001b[0m the database is \u001b[1mbusy\u001b[0m"),
  );
  await assert.rejects(handshake(wire, silent), failure({ who: "nix", message: /^the database is busy$/ }));
});

test("a daemon that hangs up without a word has refused the user", async () => {
  await assert.rejects(handshake(scripted(Buffer.alloc(0)), silent), failure({ code: "not-permitted" }));
});

test("a daemon that hangs up after its magic number is lost", async () => {
  await assert.rejects(handshake(scripted(encode(Magic.daemon)), silent), failure({ reason: "connection-lost" }));
});

test("what greets as something else is no daemon", async () => {
  const wire = scripted(Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"));
  await assert.rejects(handshake(wire, silent), failure({ who: "nix", message: /does not allow/ }));
});
