import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { END_STREAM, ENVELOPE } from "./envelope.ts";
import { concat } from "./frames.ts";
import { LARGE, total } from "./large-fields.ts";
import { messageLimits } from "./limits.ts";

/** Most bytes of the heads of an element and of the field in it: four varints. */
const HEADS = 20;
/** Smaller pieces are joined with what follows. */
const SMALL = 4 * 1024;

/** A list of messages in an answer, each of which may be `bytes` alone. */
interface PieceList {
  readonly list: DescField;
  readonly element: DescMessage;
  readonly bytes: DescField;
}

/** Bytes of an element, and how many elements that were left to Connect come before it. */
interface Taken {
  readonly before: number;
  readonly bytes: Uint8Array;
}

/** Where the next bytes go: to Connect at once, to what it gets at the end of the message, or past it. */
type Way = "connect" | "rest" | "past";

/** A message that is taken apart: what Connect gets of it, and what not. */
interface Open {
  readonly rest: Uint8Array[];
  readonly taken: Taken[];
  elements: number;
}

/**
 * Takes pieces of a stream, the large `bytes` of a list's elements, out of answers before Connect sees them, which would copy them into new memory. They come as the network gave
 * them: one that was sent may come as several. Messages of another layout than ours, and such as are too large, go to Connect as they are.
 */
export class PieceReader {
  readonly #of: PieceList;
  /** Of each message that Connect has got and not given: what was taken out of it. */
  readonly #taken: Taken[][] = [];
  /** The beginning of a head. */
  #kept: Uint8Array = new Uint8Array();
  #way: Way = "connect";
  /** Bytes that go that way; and bytes of the message behind them. */
  #run = 0;
  #left = 0;
  #open: Open = { rest: [], taken: [], elements: 0 };
  /** The tags of the list, and of the bytes in its elements. */
  readonly #outer: number;
  readonly #inner: number;
  readonly #most: number;

  /** Throws where the field is no such list. `most`: bytes of a message; Connect refuses larger ones. */
  constructor(list: DescField, most: number = messageLimits.readMaxBytes) {
    const element = list.fieldKind === "list" ? list.message : undefined;
    const bytes = element?.fields.find(field => field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES);
    if (element === undefined || bytes === undefined) throw new TypeError(`${list.name} is no list of pieces`);
    this.#of = { list, element, bytes };
    this.#most = most;
    this.#outer = (list.number << 3) | WireType.LengthDelimited;
    this.#inner = (bytes.number << 3) | WireType.LengthDelimited;
  }

  /** What Connect is to get of an answer's bytes. */
  async *body(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of source) yield* this.#feed(chunk);
  }

  /** The messages that come out of Connect, with the pieces in their places. */
  async *messages<T extends object>(source: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const message of source) {
      const taken = this.#taken.shift() ?? [];
      yield taken.length === 0 ? message : this.#whole(message, taken);
    }
  }

  #whole<T extends object>(message: T, taken: readonly Taken[]): T {
    const { localName } = this.#of.list;
    const others: unknown = new Map<string, unknown>(Object.entries(message)).get(localName);
    const left: Message[] = Array.isArray(others) ? others : [];
    const all = taken.flatMap(({ before, bytes }, index) => {
      return [...left.slice(taken[index - 1]?.before ?? 0, before), this.#element(bytes)];
    });
    return { ...message, [localName]: [...all, ...left.slice(taken.at(-1)?.before)] };
  }

  #element(value: Uint8Array): Message {
    const { element, bytes } = this.#of;
    const { oneof, localName } = bytes;
    return create(element, oneof ? { [oneof.localName]: { case: localName, value } } : { [localName]: value });
  }

  #feed(chunk: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = [];
    let bytes = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    for (let used = this.#step(bytes, out); used !== undefined; used = this.#step(bytes, out)) {
      bytes = bytes.subarray(used);
    }
    this.#kept = Uint8Array.from(bytes);
    return out;
  }

  /** Takes what it can from the beginning of these bytes and says how many; `undefined`: it needs more of them. */
  #step(bytes: Uint8Array, out: Uint8Array[]): number | undefined {
    if (this.#run > 0) return bytes.length > 0 ? this.#pass(bytes.subarray(0, this.#run), out) : undefined;
    if (this.#left > 0) return bytes.length >= Math.min(HEADS, this.#left) ? this.#beginElement(bytes) : undefined;
    return bytes.length >= ENVELOPE ? this.#beginMessage(bytes) : undefined;
  }

  #pass(part: Uint8Array, out: Uint8Array[]): number {
    this.#run -= part.length;
    if (this.#way === "connect") out.push(part);
    else if (this.#way === "rest") this.#open.rest.push(part);
    else this.#take(part);
    if (this.#run === 0 && this.#left === 0 && this.#way !== "connect") this.#end(out);
    return part.length;
  }

  /** Bytes that come in dribs and drabs are joined: each piece costs more than a few of them. */
  #take(part: Uint8Array): void {
    const { taken, elements: before } = this.#open;
    const last = taken.at(-1);
    if (last === undefined || last.before !== before || last.bytes.length >= SMALL) taken.push({ before, bytes: part });
    else taken[taken.length - 1] = { before, bytes: concat([last.bytes, part]) };
  }

  #beginMessage(bytes: Uint8Array): number {
    const [flags = 0] = bytes;
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
    if (flags === 0 && length >= LARGE && length <= this.#most) {
      this.#open = { rest: [], taken: [], elements: 0 };
      this.#left = length;
      return ENVELOPE;
    }
    if ((flags & END_STREAM) === 0) this.#taken.push([]);
    this.#way = "connect";
    this.#run = ENVELOPE + length;
    return 0;
  }

  #beginElement(bytes: Uint8Array): number {
    const [tag, afterTag] = varint(bytes, 0);
    const [length, begin] = varint(bytes, afterTag);
    const [innerTag, afterInner] = varint(bytes, begin);
    const [size, data] = varint(bytes, afterInner);
    const end = tag === this.#outer ? begin + length : Number.POSITIVE_INFINITY;
    const isPiece = innerTag === this.#inner && size >= LARGE && data + size === end && end <= this.#left;
    this.#way = isPiece ? "past" : "rest";
    // What has another layout is all left to Connect.
    this.#run = isPiece ? size : Math.min(end, this.#left);
    this.#left -= isPiece ? end : this.#run;
    if (!isPiece) this.#open.elements += 1;
    return isPiece ? data : 0;
  }

  #end(out: Uint8Array[]): void {
    const { rest, taken } = this.#open;
    const envelope = new Uint8Array(ENVELOPE);
    new DataView(envelope.buffer).setUint32(1, total(rest));
    out.push(envelope, ...rest);
    this.#taken.push(taken);
  }
}

/** The number at a place, and where the next begins. What is none becomes something that fits nowhere. */
function varint(bytes: Uint8Array, at: number): [value: number, end: number] {
  let value = 0;
  for (let next = at, unit = 1; next < at + 5; next++, unit *= 128) {
    const byte = bytes[next] ?? 0x80;
    value += (byte & 127) * unit;
    if (byte < 128) return [value, next + 1];
  }
  return [Number.POSITIVE_INFINITY, at];
}
