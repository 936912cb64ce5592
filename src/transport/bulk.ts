import type { Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import type { Session } from "../lib/stream.ts";
import { Beside } from "./beside.ts";
import { connectTransport, sessionClient, type TransportOptions } from "./client.ts";
import { splitterOf } from "./large-fields.ts";

/** Options of a transport for bulk: nothing compresses its messages. */
export type BulkOptions = Omit<TransportOptions, "acceptCompression" | "sendCompression" | "useBinaryFormat">;

/**
 * Connect's Transport for streams of large `bytes`, which go past Connect's own copies. They must not change before the next message is asked for.
 */
export function bulkTransport(session: Session, options: BulkOptions = {}): Transport {
  const plain = { ...options, acceptCompression: [], sendCompression: null };
  const stream: Transport["stream"] = (method, signal, timeoutMs, header, input, contextValues) => {
    const splitter = splitterOf(method.input);
    if (splitter === undefined) return transport.stream(method, signal, timeoutMs, header, input, contextValues);
    const beside = new Beside();
    const client: UniversalClientFn = request =>
      carrier({ ...request, ...(request.body && { body: beside.joined(request.body) }) });
    const own = connectTransport(session, plain, client);
    return own.stream(method, signal, timeoutMs, header, beside.split(input, splitter), contextValues);
  };
  const carrier = sessionClient(session, options.liveness);
  const transport = connectTransport(session, plain);
  return { ...transport, stream };
}
