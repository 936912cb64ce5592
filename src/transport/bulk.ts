import type { DescField } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import type { Session } from "../lib/stream.ts";
import { Beside } from "./beside.ts";
import { connectTransport, heard, sessionClient, type TransportOptions } from "./client.ts";
import { splitterOf } from "./large-fields.ts";
import { PieceReader } from "./piece-reader.ts";

/** Options of a transport for bulk: nothing compresses its messages. */
export interface BulkOptions
  extends Omit<TransportOptions, "acceptCompression" | "sendCompression" | "useBinaryFormat"> {
  /** Fields of streamed answers: lists whose elements' `bytes` are pieces of a stream, so that an element may come as several. */
  readonly pieces?: readonly DescField[];
}

/**
 * Connect's Transport for streams of large `bytes`, which go past Connect's own copies: those of requests, which must not change before the next message is asked for, and
 * `pieces` of answers.
 */
export function bulkTransport(session: Session, { pieces = [], ...options }: BulkOptions = {}): Transport {
  const plain = { ...options, acceptCompression: [], sendCompression: null };
  const stream: Transport["stream"] = async (method, signal, timeoutMs, header, input, contextValues) => {
    const splitter = splitterOf(method.input);
    const list = pieces.find(({ parent }) => parent.typeName === method.output.typeName);
    const beside = new Beside();
    const reader = list && new PieceReader(list, options.readMaxBytes);
    const client: UniversalClientFn = async request => {
      const body = request.body && beside.joined(request.body);
      const response = await carrier({ ...request, ...(body && { body }) });
      return reader ? { ...response, body: reader.body(response.body) } : response;
    };
    const messages = splitter ? beside.split(input, splitter) : input;
    const own = connectTransport(session, plain, client);
    const response = await own.stream(method, signal, timeoutMs, header, messages, contextValues);
    return reader ? { ...response, message: reader.messages(response.message) } : response;
  };
  const carrier = sessionClient(session, options.liveness);
  const transport = connectTransport(session, plain);
  return { ...transport, stream: heard(stream) };
}
