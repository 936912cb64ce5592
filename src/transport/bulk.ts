import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import type { Session } from "../lib/stream.ts";
import { connectTransport, sessionClient, type TransportOptions } from "./client.ts";
import { messageLimits } from "./limits.ts";

/** From so many bytes on a field goes past Connect. */
const LARGE = 16 * 1024;
/** What is before a message in Connect's envelope: a byte of flags, four of length. */
const ENVELOPE = 5;

/** Options of a transport for bulk: nothing compresses its messages. */
export type BulkOptions = Omit<TransportOptions, "acceptCompression" | "sendCompression" | "useBinaryFormat">;

/**
 * Connect's Transport for streams of large `bytes`. Connect copies what it sends three times, into memory that is new each time; here a large field stays beside the
 * message, and is put behind it when that comes out of Connect: the same bytes on the wire, uncopied. They must not change before the next message is asked for.
 */
export function bulkTransport(session: Session, options: BulkOptions = {}): Transport {
  const plain = { ...options, acceptCompression: [], sendCompression: null };
  const stream: Transport["stream"] = (method, signal, timeoutMs, header, input, contextValues) => {
    const fields = largeFields(method.input);
    if (fields.length === 0) return transport.stream(method, signal, timeoutMs, header, input, contextValues);
    const beside: (Uint8Array[] | undefined)[] = [];
    const split = mapped(input, message => {
      const { rest, large } = take(fields, message);
      beside.push(large);
      return rest;
    });
    const client: UniversalClientFn = request =>
      carrier({ ...request, ...(request.body && { body: joined(request.body, beside) }) });
    const own = connectTransport(session, plain, client);
    return own.stream(method, signal, timeoutMs, header, split, contextValues);
  };
  const carrier = sessionClient(session, options.liveness);
  const transport = connectTransport(session, plain);
  return { ...transport, stream };
}

/** Fields of a message that may be large. */
function largeFields({ fields }: DescMessage): DescField[] {
  return fields.filter(field => field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES);
}

/** A message without its large field; and what is to stand behind it: the field's head and its bytes. */
function take<T extends object>(fields: readonly DescField[], message: T): { rest: T; large?: Uint8Array[] } {
  const values = new Map<string, unknown>(Object.entries(message));
  for (const { oneof, localName, number } of fields) {
    const value = oneof ? chosen(values.get(oneof.localName), localName) : values.get(localName);
    if (!(value instanceof Uint8Array) || value.length < LARGE) continue;
    const head = new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(value.length).finish();
    const rest = { ...message, $typeName: undefined, [oneof?.localName ?? localName]: oneof ? NONE : undefined };
    return { rest, large: [head, value] };
  }
  return { rest: message };
}

const NONE = { case: undefined };

function chosen(oneof: unknown, name: string): unknown {
  const is = typeof oneof === "object" && oneof !== null && "case" in oneof && oneof.case === name && "value" in oneof;
  return is ? oneof.value : undefined;
}

/** Puts what stands beside each message behind it, and says so in its envelope. */
function joined(envelopes: AsyncIterable<Uint8Array>, beside: (Uint8Array[] | undefined)[]): AsyncIterable<Uint8Array> {
  let waiting: Uint8Array | undefined;
  const join = (envelope: Uint8Array) => {
    const [head, value] = beside.shift() ?? [];
    if (head === undefined || value === undefined) return envelope;
    waiting = value;
    const length = envelope.length - ENVELOPE + head.length + value.length;
    if (length > messageLimits.writeMaxBytes) {
      throw new ConnectError(`message is larger than ${messageLimits.writeMaxBytes} bytes`, Code.ResourceExhausted);
    }
    const start = new Uint8Array(envelope.length + head.length);
    start.set(envelope);
    start.set(head, envelope.length);
    new DataView(start.buffer).setUint32(1, length);
    return start;
  };
  const next = () => {
    const value = waiting;
    waiting = undefined;
    return value;
  };
  return mapped(envelopes, join, next);
}

/** The same with each value changed; `before` may have one that comes before the source is asked. What else is said to it reaches the source. */
function mapped<T>(source: AsyncIterable<T>, change: (value: T) => T, before?: () => T | undefined): AsyncIterable<T> {
  const from = source[Symbol.asyncIterator]();
  const changed = (result: IteratorResult<T>): IteratorResult<T> =>
    result.done ? result : { done: false, value: change(result.value) };
  const all: AsyncIterableIterator<T> = {
    [Symbol.asyncIterator]: () => all,
    next: async () => {
      const value = before?.();
      return value === undefined ? changed(await from.next()) : { done: false, value };
    },
    return: async () => (await from.return?.()) ?? { done: true, value: undefined },
    throw: async error => {
      if (from.throw === undefined) throw error;
      return await from.throw(error);
    },
  };
  return all;
}
