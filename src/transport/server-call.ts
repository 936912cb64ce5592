import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import type { UniversalHandlerFn, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { type Duplex, StreamCode, StreamError } from "../lib/stream.ts";
import { Beside } from "./beside.ts";
import { besideKey } from "./bulk-answers.ts";
import { cutOff, errorOfCode, toConnectError } from "./errors.ts";
import { encodeFrame, FrameError, FrameType } from "./frames.ts";
import { encodeEnd, encodeResponseHead, type RequestHead } from "./messages.ts";
import type { CallReader } from "./receive.ts";
import { sendCall } from "./send.ts";

/** How often a call on a stream of its own shows that its caller can still be reached, in milliseconds. */
const idleEveryMs = 1000;

/** What one call needs from its session. */
export interface ServerCallParts {
  readonly duplex: Duplex;
  readonly reader: CallReader;
  readonly head: RequestHead;
  readonly handler: UniversalHandlerFn;
  readonly contextValues: ContextValues;
  /** True where the stream is a connection of its own, whose end is the cancel. */
  readonly alone: boolean;
}

/** One call from the server's side. */
export class ServerCall {
  readonly #parts: ServerCallParts;
  readonly #controller = new AbortController();
  readonly #beside = new Beside();
  #answered = false;

  constructor(parts: ServerCallParts) {
    this.#parts = parts;
    parts.contextValues.set(besideKey, this.#beside);
  }

  /** Runs the handler and sends its answer. Settles when the handler has settled, too, whatever became of its caller. */
  async run(): Promise<void> {
    const { duplex, handler, head, contextValues, alone } = this.#parts;
    void duplex.closed.then(() => this.abort(new ConnectError("the caller is gone", Code.Canceled)));
    const idle = alone ? setInterval(() => this.#showLife(), idleEveryMs).unref() : undefined;
    try {
      const response = await handler({
        httpVersion: "2.0",
        url: `http://session${head.path}`,
        method: head.method,
        header: head.header,
        body: { [Symbol.asyncIterator]: () => this.#body() },
        signal: this.#controller.signal,
        contextValues,
      });
      await this.#answer(response);
    } catch (error) {
      duplex.reset(StreamCode.internal);
      duplex.stop(StreamCode.internal);
      if (!this.#controller.signal.aborted && !(error instanceof StreamError)) throw error;
    } finally {
      this.#answered = true;
      clearInterval(idle);
    }
  }

  /** The caller has given up: the handler's signal is aborted and the stream is let go. Nothing happens once the answer is out. */
  abort(reason: ConnectError, code: number = StreamCode.cancel): void {
    if (this.#answered || this.#controller.signal.aborted) return;
    this.#controller.abort(reason);
    this.#parts.duplex.reset(code);
    this.#parts.duplex.stop(code);
  }

  async #answer(response: UniversalServerResponse): Promise<void> {
    const { duplex, reader } = this.#parts;
    const { status, header, body, trailer } = response;
    const chunks = this.#beside.joined(body ?? nothing())[Symbol.asyncIterator]();
    try {
      // Handlers may set headers until the first bytes of the body are there.
      const first = await chunks.next();
      const head = encodeResponseHead({ status, header: header ?? new Headers() });
      await sendCall(duplex, head, resume(first, chunks), () => encodeEnd(trailer));
      this.#answered = true;
      await duplex.finish();
      if (reader.trailer === undefined) duplex.stop(StreamCode.enough);
    } catch (error) {
      if (error instanceof StreamError) this.abort(callerGone(error));
      await chunks.throw?.(error).catch(() => undefined);
      throw error;
    } finally {
      await chunks.return?.().catch(() => undefined);
    }
  }

  #body(): AsyncIterator<Uint8Array> {
    const { reader } = this.#parts;
    return {
      next: async () => {
        try {
          const value = await reader.data();
          if (value !== undefined) return { done: false, value };
          this.#requestEnded();
          return { done: true, value: undefined };
        } catch (cause) {
          const error = cause instanceof StreamError ? callerGone(cause) : toConnectError(cause);
          this.abort(error, cause instanceof FrameError ? StreamCode.internal : StreamCode.cancel);
          throw error;
        }
      },
    };
  }

  #requestEnded(): void {
    const { reader, alone } = this.#parts;
    reader.rest().then(
      () => alone && this.abort(cutOff("answer")),
      error => this.abort(error instanceof StreamError ? callerGone(error) : toConnectError(error)),
    );
  }

  #showLife(): void {
    const { duplex } = this.#parts;
    if (this.#answered) return;
    duplex.write(encodeFrame(FrameType.idle, new Uint8Array())).catch(error => this.abort(callerGone(error)));
  }
}

function callerGone(cause: StreamError): ConnectError {
  if (cause.kind === "reset") return errorOfCode(cause.code, cause);
  return new ConnectError("the caller is gone", Code.Canceled, undefined, undefined, cause);
}

async function* resume(first: IteratorResult<Uint8Array>, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
