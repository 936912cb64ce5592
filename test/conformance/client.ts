/**
 * The client under test. With `both` the host is the endpoint id of our own server. With `client` the runner's server speaks HTTP/2: a bridge in
 * this process takes the calls over Iroh and passes them on.
 */
import { argv } from "node:process";
import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { createNodeHttpClient } from "@connectrpc/connect-node";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
  ClientErrorResultSchema,
} from "../../.cache/conformance/gen/connectrpc/conformance/v1/client_compat_pb.js";
import { Codec } from "../../.cache/conformance/gen/connectrpc/conformance/v1/config_pb.js";
import type { Session } from "../../src/lib/stream.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { serveSession } from "../../src/transport/server.ts";
import { compressionOf, compressions, jsonOptions } from "./convert.ts";
import { invoke } from "./invoke.ts";
import { acceptAll, dial, dialOwn, loopback } from "./iroh.ts";
import { conformanceRouter } from "./service.ts";
import { readMessages, writeMessage } from "./stdio.ts";

const targetHeader = "x-bridge-target";

/** Handlers that pass every call on by HTTP/2 to the address in a header of ours. */
function bridge(): UniversalHandler[] {
  const clients = new Map<string, ReturnType<typeof createNodeHttpClient>>();
  const clientOf = (origin: string) => {
    const client = clients.get(origin) ?? createNodeHttpClient({ httpVersion: "2" });
    clients.set(origin, client);
    return client;
  };
  return conformanceRouter(0).handlers.map(handler => {
    const pass = async (request: Parameters<UniversalHandler>[0]) => {
      const { pathname, search } = new URL(request.url);
      const header = new Headers(request.header);
      const origin = `http://${header.get(targetHeader)}`;
      header.delete(targetHeader);
      const { body, method, signal } = request;
      if (typeof body !== "object" || body === null || !(Symbol.asyncIterator in body))
        throw new Error("a parsed body");
      const url = `${origin}${pathname}${search}`;
      return clientOf(origin)({ url, method, header, signal, ...(method === "GET" ? {} : { body }) });
    };
    const { requestPath, service, method, protocolNames, allowedMethods, supportedContentType } = handler;
    return Object.assign(pass, { requestPath, service, method, protocolNames, allowedMethods, supportedContentType });
  });
}

const endpoint = await loopback();
const sessions = new Map<string, Promise<Session>>();

function sessionFor({ host, port }: ClientCompatRequest): Promise<Session> {
  const key = argv[2] === "client" ? "bridge" : `${host}:${port}`;
  const session = sessions.get(key) ?? (argv[2] === "client" ? bridged() : dial(endpoint, host, port));
  sessions.set(key, session);
  return session;
}

async function bridged(): Promise<Session> {
  const far = await loopback();
  void acceptAll(far, session => serveSession(session, bridge()));
  return dialOwn(endpoint, far);
}

async function transportFor(request: ClientCompatRequest): Promise<Transport> {
  const { host, port, compression, messageReceiveLimit } = request;
  const target = `${host === "" ? "127.0.0.1" : host}:${port}`;
  return connectTransport(await sessionFor(request), {
    useBinaryFormat: request.codec !== Codec.JSON,
    useHttpGet: request.useGetHttpMethod,
    acceptCompression: compressions,
    sendCompression: compressionOf(compression),
    compressMinBytes: 0,
    jsonOptions,
    ...(messageReceiveLimit > 0 ? { readMaxBytes: messageReceiveLimit } : {}),
    interceptors: [
      next => call => {
        if (argv[2] === "client") call.header.set(targetHeader, target);
        return next(call);
      },
    ],
  });
}

async function answer(request: ClientCompatRequest): Promise<void> {
  const { testName } = request;
  const message = create(ClientCompatResponseSchema, { testName });
  try {
    message.result = { case: "response", value: await invoke(await transportFor(request), request) };
  } catch (error) {
    const value = create(ClientErrorResultSchema, { message: String(error) });
    message.result = { case: "error", value };
  }
  writeMessage(ClientCompatResponseSchema, message);
}

/** Calls at once: the runner gives them all at the same time, some with deadlines that start when they do. */
const atOnce = 16;
const running = new Set<Promise<void>>();
for await (const request of readMessages(ClientCompatRequestSchema)) {
  const call = answer(request).finally(() => running.delete(call));
  running.add(call);
  if (running.size >= atOnce) await Promise.race(running);
}
await Promise.all(running);
process.kill(process.pid, "SIGTERM");
