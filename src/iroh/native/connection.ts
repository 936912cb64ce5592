import type { SessionEnd, StreamError } from "../../lib/stream.ts";
import type { SessionPath, SessionStatistics } from "../interface.ts";
import type { RawConnection, RawRecv, RawSend, RawStream } from "../raw.ts";
import type { AddonConnection, AddonEnd, AddonStream } from "./addon.ts";
import type { Calls } from "./calls.ts";
import { streamError } from "./errors.ts";
import { AddonRecv, AddonSend } from "./streams.ts";

/** A connection of the addon. */
export class AddonRawConnection implements RawConnection {
  readonly peer: string;
  readonly alpn: string;
  readonly closed: Promise<SessionEnd>;
  readonly #calls: Calls;
  readonly #native: AddonConnection;

  constructor(calls: Calls, native: AddonConnection) {
    this.#calls = calls;
    this.#native = native;
    this.peer = native.remote();
    this.alpn = native.alpn();
    this.closed = calls
      .call<AddonEnd>(call => native.closed(call))
      .catch((error: unknown) => ({ kind: "lost", code: 0, reason: streamError(error).message }));
  }

  async open(): Promise<RawStream> {
    return this.#both(await this.#open(false));
  }

  async openUni(): Promise<RawSend> {
    return new AddonSend(this.#calls, await this.#open(true));
  }

  async accept(): Promise<RawStream> {
    return this.#both(await this.#accept(false));
  }

  async acceptUni(): Promise<RawRecv> {
    return new AddonRecv(this.#calls, await this.#accept(true));
  }

  close(code: number, reason: Uint8Array): void {
    this.#native.close(code, reason);
  }

  admit(): void {
    this.#native.admit();
  }

  path(): SessionPath {
    return this.#native.path();
  }

  watchPath(listener: (path: SessionPath) => void): () => void {
    let last = this.path();
    const unwatch = this.#calls.listen<SessionPath>(
      call => this.#native.watchPath(call),
      path => {
        // An event may also say that a path that is not used has come or gone.
        if (path.kind !== last.kind || path.address !== last.address) listener(path);
        last = path;
      },
    );
    this.closed.then(unwatch);
    return unwatch;
  }

  statistics(): SessionStatistics {
    const [sentBytes, receivedBytes, lostPackets] = this.#native.statistics();
    return { sentBytes, receivedBytes, lostPackets };
  }

  streamError(error: unknown): StreamError {
    return streamError(error);
  }

  #open(oneWay: boolean): Promise<AddonStream> {
    return this.#calls.call(call => this.#native.open(call, oneWay));
  }

  #accept(oneWay: boolean): Promise<AddonStream> {
    return this.#calls.call(call => this.#native.accept(call, oneWay));
  }

  #both(stream: AddonStream): RawStream {
    return { send: new AddonSend(this.#calls, stream), recv: new AddonRecv(this.#calls, stream) };
  }
}
