import { create } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import type { Session } from "../../src/lib/stream.ts";
import { routerOptions } from "../../src/transport/limits.ts";
import { callSession, type ServedSession, type ServeOptions, serveSession } from "../../src/transport/server.ts";
import { ChunkSchema, EchoRequestSchema, Trial } from "./gen/drvthru/transport/test/v1/test_pb.js";

/** What handlers saw of the calls under one mark. */
interface Seen {
  began: number;
  aborted: number;
  ended: number;
  messages: number;
}

/** Serves the test service on a session. What it sees is asked for by RPC (`Observed`), so that it can live in another process. */
export function serveTestService(session: Session, options: ServeOptions = {}): ServedSession {
  const served: ServedSession = serveSession(session, trialRouter(() => served.activeCalls).handlers, options);
  return served;
}

/** The test service's router, with a gate. */
export function trialRouter(active: () => number, options: ConnectRouterOptions = {}): ConnectRouter {
  const seen = new Map<string, Seen>();
  return createConnectRouter({ ...routerOptions, requestGate, ...options }).service(Trial, trial(seen, active));
}

function requestGate(context: HandlerContext): void | Promise<void> {
  const how = context.requestHeader.get("x-gate");
  if (how === "refuse") throw new ConnectError("not you", Code.PermissionDenied);
  if (how === "wait") return aborted(context.signal);
}

/** Notes the begin, the abort and the end of a handler under the mark in the call's headers. */
function watch(seen: Map<string, Seen>, context: HandlerContext): { readonly note: Seen } & Disposable {
  const mark = context.requestHeader.get("x-mark") ?? "";
  const note = seen.get(mark) ?? { began: 0, aborted: 0, ended: 0, messages: 0 };
  seen.set(mark, note);
  note.began++;
  let over = false;
  context.signal.addEventListener("abort", () => {
    if (!over) note.aborted++;
  });
  return {
    note,
    [Symbol.dispose]: () => {
      over = true;
      note.ended++;
    },
  };
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    if (signal.aborted) reject(signal.reason);
  });
}

function fail(code: number, message: string): never {
  if (code === 0) throw new TypeError(message);
  const metadata = { "x-why": "as asked" };
  throw new ConnectError(message, code as Code, metadata, [
    { desc: EchoRequestSchema, value: create(EchoRequestSchema, { data: new TextEncoder().encode(message) }) },
  ]);
}

function trial(seen: Map<string, Seen>, active: () => number): ServiceImpl<typeof Trial> {
  return {
    echo(request, context) {
      using _ = watch(seen, context);
      context.responseHeader.set("x-echo", context.requestHeader.get("x-say") ?? "");
      context.responseTrailer.set("x-echo-trailer", context.requestHeader.get("x-say") ?? "");
      const peer = context.values.get(callSession)?.peer ?? "";
      return { data: request.data, peer, timeoutMs: context.timeoutMs() ?? 0 };
    },
    async *download(request, context) {
      using watched = watch(seen, context);
      context.responseHeader.set("x-echo", context.requestHeader.get("x-say") ?? "");
      for (let at = 0; at < request.count; at++) {
        yield { data: new Uint8Array(request.size).fill(at) };
        watched.note.messages++;
      }
      context.responseTrailer.set("x-echo-trailer", context.requestHeader.get("x-say") ?? "");
    },
    async upload(requests, context) {
      using watched = watch(seen, context);
      const how = context.requestHeader.get("x-read");
      let bytes = 0n;
      let messages = 0;
      if (how === "none") await aborted(context.signal);
      if (how === "refuse") throw new ConnectError("enough of this", Code.FailedPrecondition);
      for await (const { data } of requests) {
        bytes += BigInt(data.length);
        messages++;
        watched.note.messages++;
        if (how === "two" && messages === 2) throw new ConnectError("two are enough", Code.FailedPrecondition);
      }
      return { bytes, messages };
    },
    async *chat(requests, context) {
      using watched = watch(seen, context);
      const how = context.requestHeader.get("x-read");
      if (how === "greet") yield { data: Uint8Array.of(1) };
      for await (const { data } of requests) {
        watched.note.messages++;
        yield { data };
        if (how === "one") return;
      }
    },
    fail: request => fail(request.code, request.message),
    async *failLate(request) {
      for (let at = 0; at < request.after; at++) yield create(ChunkSchema, { data: Uint8Array.of(at) });
      fail(request.code, request.message);
    },
    async hang(_request, context) {
      using _ = watch(seen, context);
      return await aborted(context.signal);
    },
    async *hangStream(_request, context) {
      using _ = watch(seen, context);
      yield { data: Uint8Array.of(1) };
      await aborted(context.signal);
    },
    async gated(requests, context) {
      using _ = watch(seen, context);
      let messages = 0;
      for await (const _ of requests) messages++;
      return { messages };
    },
    observed({ mark }) {
      return { ...seen.get(mark), active: active() };
    },
  };
}
