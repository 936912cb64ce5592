import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type CallOptions, type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  type ClientCompatRequest,
  type ClientResponseResult,
  ClientResponseResultSchema,
} from "../../.cache/conformance/gen/connectrpc/conformance/v1/client_compat_pb.js";
import {
  BidiStreamRequestSchema,
  ClientStreamRequestSchema,
  type ConformancePayload,
  ConformancePayloadSchema,
  ConformanceService,
  IdempotentUnaryRequestSchema,
  ServerStreamRequestSchema,
  UnaryRequestSchema,
  UnimplementedRequestSchema,
} from "../../.cache/conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { addHeaders, errorMessage, toMessages } from "./convert.ts";
import { Feed } from "./feed.ts";

type Conformance = Client<typeof ConformanceService>;

/** Makes the call that the runner asks for and tells what came of it. */
export async function invoke(transport: Transport, request: ClientCompatRequest): Promise<ClientResponseResult> {
  const call = new Call(createClient(ConformanceService, transport), request);
  try {
    await call.run();
  } catch (error) {
    call.failed(ConnectError.from(error));
  }
  return call.result;
}

class Call {
  readonly result = create(ClientResponseResultSchema);
  readonly #client: Conformance;
  readonly #request: ClientCompatRequest;
  readonly #abort = new AbortController();

  constructor(client: Conformance, request: ClientCompatRequest) {
    this.#client = client;
    this.#request = request;
  }

  run(): Promise<void> {
    const { method } = this.#request;
    const client = this.#client;
    if (method === "Unary")
      return this.#single(UnaryRequestSchema, (message, options) => client.unary(message, options));
    if (method === "IdempotentUnary") {
      return this.#single(IdempotentUnaryRequestSchema, (message, options) => client.idempotentUnary(message, options));
    }
    if (method === "Unimplemented") {
      return this.#single(UnimplementedRequestSchema, (message, options) => client.unimplemented(message, options));
    }
    if (method === "ServerStream") return this.#serverStream();
    if (method === "ClientStream") return this.#clientStream();
    if (method === "BidiStream") return this.#bidiStream();
    throw new Error(`no method ${method}`);
  }

  /** Of an error alone one cannot tell headers from trailers: it goes to both, unless the headers came before. */
  failed(error: ConnectError): void {
    this.result.error = errorMessage(error);
    if (this.result.responseHeaders.length === 0) this.result.responseHeaders = toMessages(error.metadata);
    this.result.responseTrailers = toMessages(error.metadata);
  }

  get #options(): CallOptions {
    const headers = new Headers();
    addHeaders(this.#request.requestHeaders, headers);
    const { timeoutMs } = this.#request;
    return {
      headers,
      signal: this.#abort.signal,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      onHeader: header => {
        this.result.responseHeaders = toMessages(header);
      },
      onTrailer: trailer => {
        this.result.responseTrailers = toMessages(trailer);
      },
    };
  }

  #messages<Desc extends DescMessage>(schema: Desc): MessageShape<Desc>[] {
    return this.#request.requestMessages.map(any => {
      const message = anyUnpack(any, schema);
      if (message === undefined) throw new Error(`a request that is no ${schema.typeName}`);
      return message;
    });
  }

  #took(payload: ConformancePayload | undefined): void {
    this.result.payloads.push(payload ?? create(ConformancePayloadSchema));
    const timing = this.#request.cancel?.cancelTiming;
    if (timing?.case === "afterNumResponses" && timing.value === this.result.payloads.length) this.#abort.abort();
  }

  /** The request has been sent whole: cancels now or a little later, if it shall. */
  #sent(): void {
    const { cancel } = this.#request;
    if (cancel === undefined) return;
    const { cancelTiming: timing } = cancel;
    if (timing.case === "beforeCloseSend") this.#abort.abort();
    else if (timing.case === "afterCloseSendMs" || timing.case === undefined) {
      setTimeout(() => this.#abort.abort(), timing.value ?? 0);
    }
  }

  async #single<Desc extends DescMessage>(
    schema: Desc,
    call: (message: MessageShape<Desc>, options: CallOptions) => Promise<object>,
  ): Promise<void> {
    const [message] = this.#messages(schema);
    if (message === undefined) throw new Error("a unary call without a message");
    await sleep(this.#request.requestDelayMs);
    const answering = call(message, this.#options);
    this.#sent();
    const answer = await answering;
    this.#took("payload" in answer ? (answer.payload as ConformancePayload | undefined) : undefined);
  }

  async #serverStream(): Promise<void> {
    const [message] = this.#messages(ServerStreamRequestSchema);
    if (message === undefined) throw new Error("a server stream without a message");
    await sleep(this.#request.requestDelayMs);
    const answers = this.#client.serverStream(message, this.#options);
    this.#sent();
    for await (const { payload } of answers) this.#took(payload);
  }

  async *#upload<Desc extends DescMessage>(schema: Desc): AsyncGenerator<MessageShape<Desc>> {
    for (const message of this.#messages(schema)) {
      await sleep(this.#request.requestDelayMs);
      yield message;
    }
    this.#sent();
  }

  async #clientStream(): Promise<void> {
    const { payload } = await this.#client.clientStream(this.#upload(ClientStreamRequestSchema), this.#options);
    this.#took(payload);
  }

  async #bidiStream(): Promise<void> {
    const messages = this.#messages(BidiStreamRequestSchema);
    if (messages[0]?.fullDuplex !== true) {
      const answers = this.#client.bidiStream(this.#upload(BidiStreamRequestSchema), this.#options);
      for await (const { payload } of answers) this.#took(payload);
      return;
    }
    const feed = new Feed<(typeof messages)[number]>();
    const answers = this.#client.bidiStream(feed, this.#options)[Symbol.asyncIterator]();
    for (const message of messages) {
      await sleep(this.#request.requestDelayMs);
      feed.send(message);
      const { done, value } = await answers.next();
      if (done === true) break;
      this.#took(value.payload);
    }
    this.#sent();
    feed.end();
    for await (const { payload } of { [Symbol.asyncIterator]: () => answers }) this.#took(payload);
  }
}
