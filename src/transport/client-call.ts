import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientRequest, UniversalClientResponse } from "@connectrpc/connect/protocol";
import { type Duplex, type Session, StreamCode, StreamError } from "../lib/stream.ts";
import type { ControlChannel } from "./control.ts";
import { codeOfError, toConnectError } from "./errors.ts";
import { Interrupt } from "./interrupt.ts";
import { decodeResponseHead, encodeEnd, encodeRequestHead } from "./messages.ts";
import { CallReader } from "./receive.ts";
import { sendCall } from "./send.ts";

/** One call from the caller's side. It ends once: `finish` after the answer's END, `fail` for every other reason. */
export class ClientCall {
  readonly #session: Session;
  readonly #control: ControlChannel;
  readonly #id: bigint;
  readonly #request: UniversalClientRequest;
  readonly #ended: () => void;
  readonly #interrupt = new Interrupt();
  readonly #upload: AsyncIterator<Uint8Array>;
  readonly #onAbort: () => void;
  #duplex: Duplex | undefined;
  #uploading = true;
  #over = false;
  /** Why it was given up, also while nobody waited for it. */
  #failure: { readonly error: unknown } | undefined;

  constructor(
    session: Session,
    control: ControlChannel,
    id: bigint,
    request: UniversalClientRequest,
    ended: () => void,
  ) {
    this.#session = session;
    this.#control = control;
    this.#id = id;
    this.#request = request;
    this.#ended = ended;
    this.#upload = (request.body ?? nothing())[Symbol.asyncIterator]();
    this.#onAbort = () => this.fail(request.signal?.reason);
    request.signal?.addEventListener("abort", this.#onAbort);
  }

  /** Sends the request and waits for the answer's head. */
  async run(): Promise<UniversalClientResponse> {
    try {
      const head = this.#encodeHead();
      const duplex = await this.#interrupt.wait(this.#open());
      const reader = new CallReader(duplex, "answer");
      void this.#send(duplex, head);
      const { status, header } = decodeResponseHead(await this.#interrupt.wait(reader.head()));
      const trailer = new Headers();
      return { status, header, trailer, body: { [Symbol.asyncIterator]: () => this.#body(reader, trailer) } };
    } catch (error) {
      throw this.fail(error);
    }
  }

  /** Gives the call up, tells the peer, and ends every wait of the caller. Returns the error the caller gets. */
  fail(reason: unknown): unknown {
    const error = toConnectError(reason);
    if (this.#over) return error;
    this.#failure = { error };
    this.#end();
    const code = codeOfError(error);
    // The control stream is what surely gets through: a reset may wait behind a write that the peer's flow control blocks.
    if (this.#duplex !== undefined) this.#control.cancel(this.#id, code);
    this.#duplex?.reset(code);
    this.#duplex?.stop(code);
    this.#interrupt.trip(error);
    return error;
  }

  #encodeHead(): Uint8Array {
    const { pathname, search } = new URL(this.#request.url);
    const { method, header } = this.#request;
    return encodeRequestHead({ callId: this.#id, path: pathname + search, method, header });
  }

  async #open(): Promise<Duplex> {
    const duplex = await this.#session.open(this.#request.signal);
    if (this.#over) {
      duplex.reset(StreamCode.cancel);
      duplex.stop(StreamCode.cancel);
    }
    this.#duplex = duplex;
    return duplex;
  }

  async #send(duplex: Duplex, head: Uint8Array): Promise<void> {
    try {
      await sendCall(duplex, head, this.#upload, encodeEnd);
      this.#uploading = false;
      // Where a stream is a connection, its end before the answer's would be the cancel.
      if (this.#session.calls === "many") await duplex.finish();
    } catch (error) {
      // A peer that reads no more says why in its answer; one that is lost ends the reading half, too.
      if (!(error instanceof StreamError)) this.fail(error);
    }
  }

  #body(reader: CallReader, trailer: Headers): AsyncIterator<Uint8Array> {
    return {
      next: async () => {
        if (this.#failure !== undefined) throw this.#failure.error;
        try {
          const value = this.#over ? undefined : await this.#interrupt.wait(reader.data());
          if (value !== undefined) return { done: false, value };
          for (const [name, line] of reader.trailer ?? []) trailer.append(name, line);
          this.#finish(reader);
          return { done: true, value: undefined };
        } catch (error) {
          throw this.fail(error);
        }
      },
      return: async () => {
        this.fail(new ConnectError("the caller reads no more", Code.Canceled));
        return { done: true, value: undefined };
      },
      throw: async error => {
        this.fail(error);
        throw error;
      },
    };
  }

  #finish(reader: CallReader): void {
    if (this.#over) return;
    this.#end();
    if (this.#uploading) this.#duplex?.reset(StreamCode.enough);
    else void this.#duplex?.finish().catch(() => undefined);
    reader.rest().catch(() => this.#duplex?.stop(StreamCode.enough));
  }

  #end(): void {
    this.#over = true;
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
    this.#ended();
    // The request's own source may be waiting for the caller: it hears that nobody wants more. What it answers matters to nobody.
    void this.#upload.return?.().catch(() => undefined);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
