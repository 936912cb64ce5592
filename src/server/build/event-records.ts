import type { FileHandle } from "node:fs/promises";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type BuildEvent, BuildEventSchema } from "../../../gen/drvthru/v1/build_pb.js";

/** Most events of one batch. */
const MAX_BATCH_EVENTS = 512;
/** Longest record: the result with its messages. */
const MAX_RECORD = 2 * 1024 * 1024;
const CHUNK = 256 * 1024;
const PREFIX = 4;

/** What may be appended: everything of an event but its number and time. */
export type NewEvent = NonNullable<MessageInitShape<typeof BuildEventSchema>["event"]>;

/** An event as it is kept: the length of its encoding in 4 bytes, low byte first, and that. */
export function eventRecord(seq: bigint, event: NewEvent): Uint8Array {
  const body = toBinary(BuildEventSchema, create(BuildEventSchema, { seq, at: timestampFromMs(Date.now()), event }));
  const record = new Uint8Array(PREFIX + body.length);
  new DataView(record.buffer).setUint32(0, body.length, true);
  record.set(body, PREFIX);
  return record;
}

/** The events of records. */
export function eventsOf(records: readonly Uint8Array[]): BuildEvent[] {
  return records.map(record => fromBinary(BuildEventSchema, record.subarray(PREFIX)));
}

/** The whole records that a file holds. */
export interface Found {
  readonly bytes: number;
  /** The number of the last. */
  readonly seq: bigint;
  /** Whether the last is the result. */
  readonly ended: boolean;
}

/** Reads all records of a file, up to one that a crash cut off. */
export async function scanRecords(handle: FileHandle): Promise<Found> {
  const { size } = await handle.stat();
  let found: Found = { bytes: 0, seq: 0n, ended: false };
  while (found.bytes < size) {
    const { events, end } = await readBatch(handle, found.bytes, size);
    const last = events.at(-1);
    if (last === undefined) break;
    found = { bytes: end, seq: last.seq, ended: last.event.case === "result" };
  }
  return found;
}

/** The whole records from an offset on, at least one if there is one. Throws if the file is damaged. */
export async function readBatch(
  file: FileHandle,
  offset: number,
  end: number,
): Promise<{ events: BuildEvent[]; end: number }> {
  let bytes = await readAt(file, offset, Math.min(CHUNK, end - offset));
  const first = bytes.length < PREFIX ? 0 : bytes.readUInt32LE(0);
  if (first > MAX_RECORD) throw new Error("the event file is damaged");
  if (PREFIX + first > bytes.length) bytes = await readAt(file, offset, Math.min(PREFIX + first, end - offset));
  const events: BuildEvent[] = [];
  let at = 0;
  while (events.length < MAX_BATCH_EVENTS && at + PREFIX <= bytes.length) {
    const next = at + PREFIX + bytes.readUInt32LE(at);
    if (next > bytes.length) break;
    events.push(fromBinary(BuildEventSchema, Uint8Array.from(bytes.subarray(at + PREFIX, next))));
    at = next;
  }
  return { events, end: offset + at };
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  return bytes.subarray(0, bytesRead);
}
