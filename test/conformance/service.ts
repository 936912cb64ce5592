import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { type ConnectRouter, createConnectRouter, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  ConformancePayload_ConnectGetInfoSchema,
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  ConformanceService,
  type Header,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  type StreamResponseDefinition,
  UnaryRequestSchema,
  type UnaryResponseDefinition,
} from "../../.cache/conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { routerOptions } from "../../src/transport/limits.ts";
import { addHeaders, compressions, errorAskedFor, jsonOptions, toMessages } from "./convert.ts";

/** The runner's service, with its limit for one message (0 for ours). */
export function conformanceRouter(receiveLimit: number): ConnectRouter {
  const limit = receiveLimit > 0 ? { readMaxBytes: receiveLimit } : {};
  const options = { ...routerOptions, acceptCompression: compressions, jsonOptions, ...limit };
  return createConnectRouter(options).service(ConformanceService, implementation);
}

interface Metadata {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
}

function setMetadata(asked: Metadata | undefined, context: HandlerContext): void {
  addHeaders(asked?.responseHeaders ?? [], context.responseHeader);
  addHeaders(asked?.responseTrailers ?? [], context.responseTrailer);
}

function requestInfo(context: HandlerContext, requests: Any[]): ConformancePayload_RequestInfo {
  const timeoutMs = context.timeoutMs();
  const info = create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: toMessages(context.requestHeader),
    requests,
  });
  if (timeoutMs !== undefined) info.timeoutMs = BigInt(Math.trunc(timeoutMs));
  if (context.requestMethod === "GET") {
    const query = [...new URL(context.url).searchParams];
    const queryParams = query.map(([name, value]) => ({ name, value: [value] }));
    info.connectGetInfo = create(ConformancePayload_ConnectGetInfoSchema, { queryParams });
  }
  return info;
}

/** Waits; an abort ends it with the signal's own reason, which says whether a deadline passed or somebody gave up. */
async function pause(ms: number | undefined, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted());
}

async function answerOnce(asked: UnaryResponseDefinition | undefined, context: HandlerContext, requests: Any[]) {
  setMetadata(asked, context);
  const info = requestInfo(context, requests);
  if (asked !== undefined) await pause(asked.responseDelayMs, context.signal);
  if (asked?.response.case === "error") throw errorAskedFor(asked.response.value, info);
  const data = asked?.response.case === "responseData" ? asked.response.value : new Uint8Array();
  return { payload: { data, requestInfo: info } };
}

/** The answers that a stream asks for, each but the first without what the server saw. */
async function* answers(asked: StreamResponseDefinition | undefined, context: HandlerContext, requests: Any[]) {
  let info: ConformancePayload_RequestInfo | undefined = requestInfo(context, requests);
  for (const data of asked?.responseData ?? []) {
    await pause(asked?.responseDelayMs, context.signal);
    yield { payload: info === undefined ? { data } : { data, requestInfo: info } };
    info = undefined;
  }
  if (asked?.error !== undefined) throw errorAskedFor(asked.error, info);
}

async function collect<Desc extends DescMessage>(
  schema: Desc,
  requests: AsyncIterable<MessageShape<Desc>>,
): Promise<{ first: MessageShape<Desc> | undefined; packed: Any[] }> {
  let first: MessageShape<Desc> | undefined;
  const packed: Any[] = [];
  for await (const request of requests) {
    first ??= request;
    packed.push(anyPack(schema, request));
  }
  return { first, packed };
}

const implementation: Partial<ServiceImpl<typeof ConformanceService>> = {
  unary: (request, context) => answerOnce(request.responseDefinition, context, [anyPack(UnaryRequestSchema, request)]),
  idempotentUnary: (request, context) =>
    answerOnce(request.responseDefinition, context, [anyPack(IdempotentUnaryRequestSchema, request)]),
  async clientStream(requests, context) {
    const { first, packed } = await collect(ClientStreamRequestSchema, requests);
    return answerOnce(first?.responseDefinition, context, packed);
  },
  async *serverStream(request, context) {
    setMetadata(request.responseDefinition, context);
    yield* answers(request.responseDefinition, context, [anyPack(ServerStreamRequestSchema, request)]);
  },
  async *bidiStream(requests, context) {
    const source = requests[Symbol.asyncIterator]();
    const { value: first, done } = await source.next();
    if (done === true) return;
    const asked = first.responseDefinition;
    setMetadata(asked, context);
    const rest = { [Symbol.asyncIterator]: () => source };
    if (first.fullDuplex) {
      yield* alternate(asked, context, anyPack(BidiStreamRequestSchema, first), rest);
      return;
    }
    const { packed } = await collect(BidiStreamRequestSchema, rest);
    yield* answers(asked, context, [anyPack(BidiStreamRequestSchema, first), ...packed]);
  },
};

type BidiRequest = MessageShape<typeof BidiStreamRequestSchema>;

/** Full duplex: one answer for each request; what is left over at the end is sent at the end. */
async function* alternate(
  asked: StreamResponseDefinition | undefined,
  context: HandlerContext,
  first: Any,
  rest: AsyncIterable<BidiRequest>,
) {
  const data = [...(asked?.responseData ?? [])];
  let answered = false;
  const next = async (requests: Any[]) => {
    const bytes = data.shift();
    const info = answered && requests.length === 0 ? undefined : requestInfoFor(context, requests, answered);
    if (bytes === undefined)
      throw asked?.error === undefined ? undefined : errorAskedFor(asked.error, answered ? undefined : info);
    await pause(asked?.responseDelayMs, context.signal);
    answered = true;
    return { payload: info === undefined ? { data: bytes } : { data: bytes, requestInfo: info } };
  };
  if (data.length > 0 || asked?.error !== undefined) yield await next([first]);
  for await (const request of rest) {
    if (data.length === 0 && asked?.error === undefined) continue;
    yield await next([anyPack(BidiStreamRequestSchema, request)]);
  }
  while (data.length > 0) yield await next([]);
  if (asked?.error !== undefined)
    throw errorAskedFor(asked.error, answered ? undefined : requestInfo(context, [first]));
}

/** After the first answer only the request itself is told. */
function requestInfoFor(context: HandlerContext, requests: Any[], answered: boolean): ConformancePayload_RequestInfo {
  return answered ? create(ConformancePayload_RequestInfoSchema, { requests }) : requestInfo(context, requests);
}
