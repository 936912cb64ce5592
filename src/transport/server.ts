import {
  Code,
  ConnectError,
  type ContextKey,
  type ContextValues,
  createContextKey,
  createContextValues,
} from "@connectrpc/connect";
import { type UniversalHandler, type UniversalHandlerFn, uResponseNotFound } from "@connectrpc/connect/protocol";
import { type Duplex, type Session, type SessionEnd, StreamCode } from "../lib/stream.ts";
import { type ControlChannel, type Liveness, openControl } from "./control.ts";
import { errorOfCode } from "./errors.ts";
import { defaultLimits, type SessionLimits } from "./limits.ts";
import { decodeRequestHead, type RequestHead } from "./messages.ts";
import { CallReader } from "./receive.ts";
import { ServerCall } from "./server-call.ts";

/** Where handlers and gates find the session that their call came by, with the peer's proven id. */
export const callSession: ContextKey<Session | undefined> = createContextKey<Session | undefined>(undefined, {
  description: "the session of this call",
});

/** How a session is served. */
export interface ServeOptions {
  /** Called for each call, so that what one sets does not reach another. */
  readonly contextValues?: () => ContextValues;
  readonly limits?: Partial<SessionLimits>;
  readonly liveness?: Liveness;
  /** Aborting it drains, as {@link ServedSession.goAway} does. */
  readonly drain?: AbortSignal;
  /** Hears what no caller is told: a handler that broke outside of Connect's own error handling. */
  readonly onError?: (error: unknown, path: string) => void;
}

/** A session under service. */
export interface ServedSession {
  /** Calls whose handler has not settled. */
  readonly activeCalls: number;
  /** Takes no new calls and tells the peer. Resolves when those under way have ended. May be repeated. */
  goAway(reason?: string): Promise<void>;
  /** Settles when the session has ended. Never rejects. */
  readonly closed: Promise<SessionEnd>;
}

/** Answers the calls of a session with the handlers of a Connect router. The session's owner closes it. */
export function serveSession(
  session: Session,
  handlers: readonly UniversalHandler[],
  options: ServeOptions = {},
): ServedSession {
  return new Server(session, handlers, options);
}

class Server implements ServedSession {
  readonly closed: Promise<SessionEnd>;
  readonly #session: Session;
  readonly #options: ServeOptions;
  readonly #limits: SessionLimits;
  readonly #handlers: ReadonlyMap<string, UniversalHandler>;
  readonly #control: ControlChannel;
  readonly #calls = new Set<ServerCall>();
  readonly #byId = new Map<bigint, ServerCall>();
  /** Cancels that overtook the head of their call, oldest first. */
  readonly #early = new Map<bigint, number>();
  #halfOpen = 0;
  #draining = false;
  #roomForHead: (() => void) | undefined;
  #whenIdle: (() => void)[] = [];

  constructor(session: Session, handlers: readonly UniversalHandler[], options: ServeOptions) {
    this.#session = session;
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#handlers = new Map(handlers.map(handler => [handler.requestPath, handler]));
    const events = {
      cancelled: (id: bigint, code: number) => this.#cancelled(id, code),
      busy: () => this.#calls.size > 0,
    };
    this.#control = openControl(session, events, options.liveness);
    this.closed = session.closed.then(end => this.#lost(end));
    const onDrain = () => void this.goAway();
    options.drain?.addEventListener("abort", onDrain);
    void this.closed.then(() => options.drain?.removeEventListener("abort", onDrain));
    if (options.drain?.aborted === true) onDrain();
    void this.#accept();
  }

  get activeCalls(): number {
    return this.#calls.size;
  }

  goAway(reason = ""): Promise<void> {
    if (!this.#draining) this.#control.goAway(reason);
    this.#draining = true;
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise(resolve => this.#whenIdle.push(resolve));
  }

  async #accept(): Promise<void> {
    for (;;) {
      const duplex = await this.#session.accept().catch(() => undefined);
      if (duplex === undefined) return;
      this.#halfOpen++;
      this.#serve(duplex).catch(error => this.#options.onError?.(error, ""));
      if (this.#halfOpen >= this.#limits.maxHalfOpen) {
        await new Promise<void>(resolve => {
          this.#roomForHead = resolve;
        });
      }
    }
  }

  async #serve(duplex: Duplex): Promise<void> {
    const reader = new CallReader(duplex, "request");
    const head = await this.#head(duplex, reader);
    if (head === undefined) return;
    const refusal = this.#refusal(head);
    if (refusal !== undefined) {
      duplex.reset(refusal);
      duplex.stop(refusal);
      return;
    }
    const contextValues = this.#options.contextValues?.() ?? createContextValues();
    contextValues.set(callSession, this.#session);
    const alone = this.#session.calls === "one";
    const handler = this.#handlers.get(pathOf(head)) ?? notFound;
    const call = new ServerCall({ duplex, reader, head, handler, contextValues, alone });
    await this.#run(call, head);
  }

  async #run(call: ServerCall, head: RequestHead): Promise<void> {
    this.#calls.add(call);
    this.#byId.set(head.callId, call);
    try {
      await call.run();
    } catch (error) {
      this.#options.onError?.(error, pathOf(head));
    } finally {
      this.#calls.delete(call);
      this.#byId.delete(head.callId);
      if (this.#calls.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    }
  }

  /** The request's head, or `undefined` if it was late or wrong. */
  async #head(duplex: Duplex, reader: CallReader): Promise<RequestHead | undefined> {
    const giveUp = (code: number) => {
      duplex.stop(code);
      duplex.reset(code);
    };
    const late = setTimeout(giveUp, this.#limits.headTimeoutMs, StreamCode.refused);
    try {
      return decodeRequestHead(await reader.head());
    } catch {
      giveUp(StreamCode.internal);
      return undefined;
    } finally {
      clearTimeout(late);
      this.#halfOpen--;
      this.#roomForHead?.();
      this.#roomForHead = undefined;
    }
  }

  /** The code that a call is refused with before any of it runs. */
  #refusal({ callId }: RequestHead): number | undefined {
    const cancelled = this.#early.get(callId);
    this.#early.delete(callId);
    if (cancelled !== undefined) return StreamCode.cancel;
    if (this.#draining || this.#calls.size >= this.#limits.maxCalls) return StreamCode.refused;
    if (this.#session.calls === "many" && (callId === 0n || this.#byId.has(callId))) return StreamCode.internal;
    return undefined;
  }

  #cancelled(id: bigint, code: number): void {
    const call = this.#byId.get(id);
    if (call !== undefined) {
      call.abort(errorOfCode(code));
      return;
    }
    this.#early.set(id, code);
    const [oldest] = this.#early.keys();
    if (this.#early.size > this.#limits.maxEarlyCancels && oldest !== undefined) this.#early.delete(oldest);
  }

  #lost(end: SessionEnd): SessionEnd {
    for (const call of this.#calls) call.abort(new ConnectError("the connection has ended", Code.Canceled));
    this.#early.clear();
    return end;
  }
}

function pathOf(head: RequestHead): string {
  return head.path.split("?", 1)[0] ?? head.path;
}

const notFound: UniversalHandlerFn = async () => uResponseNotFound;
