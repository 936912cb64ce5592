import type { ChildProcess } from "node:child_process";
import {
  type Duplex,
  type ReadHalf,
  type Session,
  type SessionEnd,
  StreamError,
  type WriteHalf,
} from "../../src/lib/stream.ts";
import type { BindingName } from "./bindings.ts";
import { endPeer, type ForkedPeer, forkPeer } from "./fork-peer.ts";
import type { RemoteAnswer, RemoteCall, RemoteNews } from "./remote-protocol.ts";

const vanished: SessionEnd = { kind: "lost", code: 0, reason: "the process is gone" };

/** A process with an Iroh endpoint, and its sessions as if they were here. */
export class RemotePeer {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, PromiseWithResolvers<RemoteAnswer>>();
  readonly #sessions: RemoteSession[] = [];
  readonly #waiting: ((session: RemoteSession) => void)[] = [];
  #calls = 0;
  #gone = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", message => this.#heard(message as RemoteAnswer | RemoteNews));
    child.on("exit", () => this.#vanish());
  }

  /** Starts the process; resolves when it listens. */
  static async start(binding: BindingName): Promise<{ peer: RemotePeer; address: ForkedPeer["address"] }> {
    const { child, address } = await forkPeer("remote-peer.ts", binding);
    return { peer: new RemotePeer(child), address };
  }

  get alive(): boolean {
    return !this.#gone;
  }

  /** The next session that the process accepted. */
  nextSession(): Promise<RemoteSession> {
    const session = this.#sessions.shift();
    if (session !== undefined) return Promise.resolve(session);
    const { promise, resolve } = Promise.withResolvers<RemoteSession>();
    this.#waiting.push(resolve);
    return promise;
  }

  /** Stops the process where it is: it neither reads nor answers. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  /** Ends the process without a word to anyone. */
  kill(): void {
    this.#child.kill("SIGKILL");
    this.#vanish();
  }

  /** Ends the process in good order. */
  async stop(): Promise<void> {
    if (!this.#gone) await endPeer(this.#child);
  }

  call(target: number, method: RemoteCall["method"], more: Partial<RemoteCall> = {}): Promise<RemoteAnswer> {
    this.#calls += 1;
    const answer = Promise.withResolvers<RemoteAnswer>();
    if (this.#gone) answer.resolve(lost(this.#calls, method));
    else {
      this.#answers.set(this.#calls, answer);
      this.#child.send({ call: this.#calls, target, method, ...more } satisfies RemoteCall);
    }
    return answer.promise.then(checked);
  }

  #heard(message: RemoteAnswer | RemoteNews): void {
    if ("call" in message) {
      this.#answers.get(message.call)?.resolve(message);
      this.#answers.delete(message.call);
    } else if (message.news === "session") {
      const session = new RemoteSession(this, message);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#sessions.push(session);
      else waiting(session);
    }
  }

  #vanish(): void {
    this.#gone = true;
    for (const [call, { resolve }] of this.#answers) resolve(lost(call));
    this.#answers.clear();
  }
}

function lost(call: number, method?: RemoteCall["method"]): RemoteAnswer {
  return method === "closed" ? { call, end: vanished } : { call, error: { kind: "lost", code: 0 } };
}

function checked(answer: RemoteAnswer): RemoteAnswer {
  if (answer.error === undefined) return answer;
  throw "kind" in answer.error
    ? new StreamError(answer.error.kind, answer.error.code)
    : new Error(answer.error.message);
}

/** A session that lives in another process. */
export class RemoteSession implements Session {
  readonly calls = "many";
  readonly peer: string;
  readonly local: string;
  readonly closed: Promise<SessionEnd>;
  readonly #process: RemotePeer;
  readonly #target: number;

  constructor(process: RemotePeer, { target, peer, local }: { target: number; peer: string; local: string }) {
    this.#process = process;
    this.#target = target;
    this.peer = peer;
    this.local = local;
    this.closed = process.call(target, "closed").then(
      ({ end }) => end ?? vanished,
      () => vanished,
    );
  }

  async open(): Promise<Duplex> {
    return this.#stream(await this.#process.call(this.#target, "open"));
  }

  async openUni(): Promise<WriteHalf> {
    return this.#stream(await this.#process.call(this.#target, "openUni"));
  }

  accept(): Promise<Duplex | undefined> {
    return this.#accept("accept");
  }

  acceptUni(): Promise<ReadHalf | undefined> {
    return this.#accept("acceptUni");
  }

  async close(code?: number, reason?: string): Promise<void> {
    const more = { ...(code === undefined ? {} : { code }), ...(reason === undefined ? {} : { reason }) };
    await this.#process.call(this.#target, "close", more);
  }

  async #accept(method: "accept" | "acceptUni"): Promise<Duplex | undefined> {
    if (!this.#process.alive) return undefined;
    // A process that is gone accepts nothing any more.
    const answer = await this.#process.call(this.#target, method).catch(() => undefined);
    return answer?.stream === undefined ? undefined : this.#stream(answer);
  }

  #stream({ stream = 0 }: RemoteAnswer): Duplex {
    const on = this.#process;
    const silently = (method: "stop" | "reset", code: number) => {
      // As with a stream here: giving up never fails.
      on.call(stream, method, { code }).catch(() => undefined);
    };
    return {
      read: async () => (await on.call(stream, "read")).bytes,
      write: async bytes => void (await on.call(stream, "write", { bytes })),
      finish: async () => void (await on.call(stream, "finish")),
      stop: code => silently("stop", code),
      reset: code => silently("reset", code),
      closed: on.call(stream, "closed").then(
        () => undefined,
        () => undefined,
      ),
    };
  }
}
