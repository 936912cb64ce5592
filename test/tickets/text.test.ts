import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { TicketTextSchema } from "../../gen/drvthru/v1/tickets_pb.js";
import { encodeBase32 } from "../../src/lib/base32.ts";
import { Failure } from "../../src/lib/failure.ts";
import { type EndpointId, idFromBytes, idToBytes } from "../../src/lib/ids.ts";
import { formatTicket, parseTicket, type TicketContents } from "../../src/tickets/text.ts";

const secret = new Uint8Array(32).fill(7);
const endpointId = idFromBytes<EndpointId>(new Uint8Array(32).fill(9));
assert(endpointId);
const signingKey = `drv-thru:${Buffer.alloc(32, 5).toString("base64")}`;
const contents: TicketContents = {
  endpointId,
  relayUrls: ["https://relay.example.org./"],
  addresses: ["192.0.2.1:4433", "[2001:db8::1]:4433"],
  secret,
  signingKey,
};
const text = formatTicket(contents);

test("a ticket says what went into it", () => {
  const { id, ...rest } = parseTicket(text);
  assert.deepEqual(rest, contents);
  assert.match(id, /^[0-9a-f]{64}$/);
  assert.match(text, /^drvthru[a-z2-7]+$/);
});

test("white space around a ticket and upper case do not matter", () => {
  assert.deepEqual(parseTicket(`\n  ${text.toUpperCase()}\r\n`), parseTicket(text));
});

test("any one changed character is an error", () => {
  for (let at = 0; at < text.length; at++) {
    const other = text[at] === "q" ? "r" : "q";
    refused(text.slice(0, at) + other + text.slice(at + 1), /not a ticket|damaged/);
  }
});

test("any one missing, doubled or swapped character is an error", () => {
  for (let at = 0; at < text.length; at++) {
    refused(text.slice(0, at) + text.slice(at + 1), /not a ticket|damaged/);
    refused(text.slice(0, at) + text[at] + text.slice(at), /not a ticket|damaged/);
    const swapped =
      text.slice(0, at) +
      text
        .slice(at, at + 2)
        .split("")
        .reverse()
        .join("") +
      text.slice(at + 2);
    if (swapped !== text) refused(swapped, /not a ticket|damaged/);
  }
});

test("a ticket cut anywhere, with a blank inside, or with more after it is an error", () => {
  for (let length = 0; length < text.length; length++) refused(text.slice(0, length), /ticket/);
  refused(`${text.slice(0, 40)} ${text.slice(40)}`, /damaged/);
  refused(`${text} ${text}`, /damaged/);
});

test("an error never repeats the ticket", () => {
  const damaged = `${text.slice(0, -1)}1`;
  assert.throws(
    () => parseTicket(damaged),
    error => error instanceof Failure && !`${error.message}${error.fix}`.includes(damaged.slice(10, 30)),
  );
});

test("a ticket of the earlier program is told apart from a bad paste", () => {
  const old = Buffer.concat([Buffer.from([0]), Buffer.alloc(32, 1), Buffer.from([0, 0]), Buffer.alloc(32, 2)]);
  refused(`drvthru${encodeBase32(old)}`, /earlier version/);
  assert.throws(() => parseTicket(`drvthru${encodeBase32(old)}`), {
    code: "usage",
    fix: /ask the builder's owner for a new one/,
  });
});

test("a ticket of a newer version asks for an update", () => {
  refused(made({ version: 2 }), /newer version/);
});

test("a huge text is refused before it is decoded", () => {
  refused(`drvthru${"a".repeat(16_384)}`, /more than 16384/);
  refused("3f9a2c01d4e5", /the id of one/);
  refused(`drvthru${"a".repeat(16_384 - 7)}`, /damaged|earlier/);
});

test("lists at their limits pass and one past them is refused", () => {
  const relay = `https://${"r".repeat(247)}/`;
  const full = { relayUrls: Array(8).fill(relay), addresses: Array(32).fill(`[${"1111:".repeat(7)}1111]:65535`) };
  const longest = parseTicket(made(full));
  assert.equal(longest.relayUrls.length, 8);
  assert.equal(longest.addresses.length, 32);
  refused(made({ relayUrls: Array(9).fill(relay) }), /more than 8 relays/);
  refused(made({ relayUrls: [`${relay}r`] }), /relay of it/);
  refused(made({ addresses: Array(33).fill("192.0.2.1:1") }), /more than 32 addresses/);
});

test("a ticket whose fields are not what they must be is refused though its checksum fits", () => {
  refused(made({ endpointId: new Uint8Array(31) }), /endpoint id/);
  refused(made({ secret: new Uint8Array(33) }), /secret/);
  for (const url of ["ftp://relay.example.org", "relay", "https://a b", "https://a\u001b"])
    refused(made({ relayUrls: [url] }), /relay/);
  for (const address of [
    "192.0.2.1",
    "192.0.2.1:0",
    "192.0.2.1:65536",
    "host:1",
    "::1:1",
    "[192.0.2.1]:1",
    "1.2.3.4.5:1",
  ]) {
    refused(made({ addresses: [address] }), /address/);
  }
  for (const key of [
    "",
    "drv-thru",
    "drv-thru:AAAA",
    `:${signingKey}`,
    `a b${signingKey.slice(8)}`,
    `${signingKey}\n`,
  ]) {
    refused(made({ signingKey: key }), /signing key/);
  }
});

function made(
  changes: Partial<Omit<TicketContents, "endpointId">> & { version?: number; endpointId?: Uint8Array },
): string {
  const { version = 1, ...rest } = { ...contents, endpointId: idToBytes(contents.endpointId), ...changes };
  const fields = { ...rest, version };
  const payload = toBinary(
    TicketTextSchema,
    create(TicketTextSchema, { ...fields, relayUrls: [...rest.relayUrls], addresses: [...rest.addresses] }),
  );
  const sum = createHash("sha256").update("drv-thru/ticket/1\0").update(payload).digest().subarray(0, 4);
  return `drvthru${encodeBase32(Buffer.concat([payload, sum]))}`;
}

function refused(ticket: string, message: RegExp): void {
  assert.throws(
    () => parseTicket(ticket),
    (error: unknown) => {
      return (
        error instanceof Failure &&
        error.code === "usage" &&
        error.who === "this machine" &&
        message.test(error.message)
      );
    },
  );
}
