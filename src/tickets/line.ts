import { createHash } from "node:crypto";
import { decodeBase32, encodeBase32 } from "../lib/base32.ts";
import { Failure } from "../lib/failure.ts";

const PREFIX = "drvthru";
const CHECKSUM_BYTES = 4;
/** Longer than any ticket within the limits of its fields. */
const MAX_CHARACTERS = 16_384;

/** What to do about a ticket's text that did not arrive whole. */
export const COPY_AGAIN = "copy the whole line again, or ask the builder's owner for a new ticket";

/** The line of a ticket that says this. */
export function writeLine(payload: Uint8Array): string {
  return PREFIX + encodeBase32(Buffer.concat([payload, checksum(payload)]));
}

/**
 * What is said in a ticket's line, which arrived whole: to read what it says takes far more of the program than to see that. Throws a usage {@link Failure}
 * that never repeats the text.
 */
export function readLine(text: string): Uint8Array {
  const line = text.trim().toLowerCase();
  if (line === "") throw bad("the ticket is empty");
  if (line.length > MAX_CHARACTERS) throw bad(`this is not a ticket: it has more than ${MAX_CHARACTERS} characters`);
  if (/^[0-9a-f]{4,64}$/.test(line)) {
    throw bad("this is not a ticket: it may be the id of one", "on the builder: drv-thru ticket reveal ID");
  }
  if (!line.startsWith(PREFIX)) throw bad(`this is not a ticket: a ticket begins with ${PREFIX}`);
  return checkedPayload(line.slice(PREFIX.length));
}

function checkedPayload(body: string): Uint8Array {
  const bytes = decodeBase32(body);
  if (bytes === undefined || bytes.length <= CHECKSUM_BYTES) throw bad("the ticket is damaged or incomplete");
  const payload = bytes.subarray(0, -CHECKSUM_BYTES);
  if (checksum(payload).equals(bytes.subarray(-CHECKSUM_BYTES))) return payload;
  // The earlier program's texts begin with a zero byte; ours never do.
  if (bytes[0] === 0) {
    const message =
      "this ticket was made by an earlier version of drv-thru, whose tickets do not work any more, or it is damaged";
    throw bad(message, `ask the builder's owner for a new one, or ${COPY_AGAIN}`);
  }
  throw bad("the ticket is damaged or incomplete");
}

function checksum(payload: Uint8Array): Buffer {
  return createHash("sha256").update("drv-thru/ticket/1\0").update(payload).digest().subarray(0, CHECKSUM_BYTES);
}

/** Why a text is no ticket that can be used. */
export function bad(message: string, fix = COPY_AGAIN): Failure {
  return new Failure("usage", "this machine", message, { fix });
}
