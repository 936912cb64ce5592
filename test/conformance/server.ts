/**
 * The server under test. With `both` it answers over Iroh, and tells the runner its endpoint id as the host. With `server` the runner's client
 * speaks HTTP/2: a bridge in this process passes its calls on over Iroh.
 */
import { once } from "node:events";
import { constants, createServer } from "node:http2";
import { argv } from "node:process";
import { create } from "@bufbuild/protobuf";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import {
  ServerCompatRequestSchema,
  ServerCompatResponseSchema,
} from "../../.cache/conformance/gen/connectrpc/conformance/v1/server_compat_pb.js";
import { sessionClient } from "../../src/transport/client.ts";
import { serveSession } from "../../src/transport/server.ts";
import { acceptAll, dialOwn, loopback } from "./iroh.ts";
import { conformanceRouter } from "./service.ts";
import { readMessages, writeMessage } from "./stdio.ts";

/** Listens with HTTP/2 without TLS and passes each call on. Returns the port. */
async function bridge(call: ReturnType<typeof sessionClient>): Promise<number> {
  const front = createServer((request, response) => {
    const { body, ...rest } = universalRequestFromNodeRequest(request, response, undefined, undefined);
    if (typeof body !== "object" || body === null || !(Symbol.asyncIterator in body)) throw new Error("a parsed body");
    const source = body[Symbol.asyncIterator]();
    // Without `return`: ending the source early would break the answer. Who is answered early is read to the end instead.
    const upload = { [Symbol.asyncIterator]: () => ({ next: () => source.next() }) };
    response.stream.once("finish", () => void drain(source));
    call({ ...rest, body: upload })
      .then(async answer => {
        // connect-go takes a body of known length back once it hears an answer, and so ends it short: a stream error for HTTP/2, in place of the answer.
        if (request.headers["content-length"] !== undefined) await drain(source);
        await universalResponseToNodeResponse(answer, response);
      })
      .catch(() => response.stream.close(constants.NGHTTP2_INTERNAL_ERROR));
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  const address = front.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

/** Throws away what is left of a request. One that its sender has given up ends with an error, which says nothing new. */
async function drain(source: AsyncIterator<Uint8Array>): Promise<void> {
  const next = () => source.next().catch(() => undefined);
  for (let step = await next(); step !== undefined && step.done !== true; ) step = await next();
}

for await (const request of readMessages(ServerCompatRequestSchema)) {
  const endpoint = await loopback();
  const { handlers } = conformanceRouter(request.messageReceiveLimit);
  void acceptAll(endpoint, session => serveSession(session, handlers));
  let host = endpoint.id as string;
  let port = endpoint.boundPorts[0] ?? 0;
  if (argv[2] === "server") {
    host = "127.0.0.1";
    port = await bridge(sessionClient(await dialOwn(await loopback(), endpoint)));
  }
  writeMessage(ServerCompatResponseSchema, create(ServerCompatResponseSchema, { host, port }));
}
