import {
  type Duplex,
  type ReadHalf,
  type Session,
  type SessionEnd,
  StreamError,
  type StreamErrorKind,
  type WriteHalf,
} from "../../src/lib/stream.ts";

/** How a memory pair behaves. */
export interface MemoryOptions {
  /** Bytes that a stream takes before a write waits. Default 64 KiB. */
  readonly window?: number;
  /** Most bytes that a read returns, to make fragments. Default: all there is. */
  readonly readBytes?: number;
  readonly calls?: "many" | "one";
  readonly clientId?: string;
  readonly serverId?: string;
}

/** Two sessions joined in memory. */
export interface MemoryPair {
  readonly client: Session;
  readonly server: Session;
  /** Cuts the wire: both sides find the other lost. */
  kill(): void;
  close(): Promise<void>;
}

/** A pair of sessions in memory with the back-pressure, resets and ends of a real one. */
export function memoryPair(options: MemoryOptions = {}): MemoryPair {
  const client = new MemorySession(options, options.serverId, options.clientId);
  const server = new MemorySession(options, options.clientId, options.serverId);
  client.remote = server;
  server.remote = client;
  const kill = () => {
    for (const side of [client, server]) side.end({ kind: "lost", code: 0, reason: "the wire was cut" });
  };
  return { client, server, kill, close: () => client.close() };
}

class MemorySession implements Session {
  readonly calls: "many" | "one";
  readonly peer: string | undefined;
  readonly local: string | undefined;
  readonly closed: Promise<SessionEnd>;
  readonly pipes = new Set<Pipe>();
  remote: MemorySession | undefined;
  readonly #options: MemoryOptions;
  readonly #bi = new Inbox<Duplex>();
  readonly #uni = new Inbox<ReadHalf>();
  #end: SessionEnd | undefined;
  #settle: (end: SessionEnd) => void = () => undefined;

  constructor(options: MemoryOptions, peer: string | undefined, local: string | undefined) {
    this.calls = options.calls ?? "many";
    this.peer = peer;
    this.local = local;
    this.#options = options;
    this.closed = new Promise(resolve => {
      this.#settle = resolve;
    });
  }

  async open(signal?: AbortSignal): Promise<Duplex> {
    const remote = this.#live(signal);
    const out = this.#pipe(remote);
    const back = this.#pipe(remote);
    const theirs = new MemoryDuplex(out, back);
    out.onFirstUse = () => remote.#bi.put(theirs);
    return new MemoryDuplex(back, out);
  }

  async openUni(signal?: AbortSignal): Promise<WriteHalf> {
    const remote = this.#live(signal);
    const out = this.#pipe(remote);
    out.onFirstUse = () => remote.#uni.put(out);
    return out;
  }

  accept(): Promise<Duplex | undefined> {
    return this.#bi.take();
  }

  acceptUni(): Promise<ReadHalf | undefined> {
    return this.#uni.take();
  }

  async close(code = 0, reason = ""): Promise<void> {
    this.end({ kind: "local", code, reason });
    this.remote?.end({ kind: "peer", code, reason });
  }

  end(end: SessionEnd): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    for (const pipe of this.pipes) pipe.sever(end.kind === "lost" ? "lost" : "closed");
    this.#bi.close();
    this.#uni.close();
    this.#settle(end);
  }

  #live(signal: AbortSignal | undefined): MemorySession {
    signal?.throwIfAborted();
    if (this.#end !== undefined) throw new StreamError(this.#end.kind === "lost" ? "lost" : "closed");
    if (this.remote === undefined) throw new StreamError("lost");
    return this.remote;
  }

  #pipe(remote: MemorySession): Pipe {
    const pipe: Pipe = new Pipe(this.#options, () => {
      this.pipes.delete(pipe);
      remote.pipes.delete(pipe);
    });
    this.pipes.add(pipe);
    remote.pipes.add(pipe);
    return pipe;
  }
}

class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: ((item: T | undefined) => void)[] = [];
  #closed = false;

  put(item: T): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) this.#items.push(item);
    else waiter(item);
  }

  take(): Promise<T | undefined> {
    const item = this.#items.shift();
    if (item !== undefined || this.#closed) return Promise.resolve(item);
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#items.length = 0;
    for (const waiter of this.#waiting.splice(0)) waiter(undefined);
  }
}

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: StreamError): void;
}

/** One direction: what one side writes, the other reads. */
class Pipe implements ReadHalf, WriteHalf {
  onFirstUse: (() => void) | undefined;
  readonly ended: Promise<void>;
  readonly #window: number;
  readonly #readBytes: number;
  readonly #settle: () => void;
  #buffer: Buffer = Buffer.alloc(0);
  #finished = false;
  #stopped = false;
  #readError: StreamError | undefined;
  #writeError: StreamError | undefined;
  #reader: Waiter<Uint8Array | undefined> | undefined;
  readonly #writers: (Waiter<void> & { readonly bytes: Uint8Array })[] = [];

  constructor(options: MemoryOptions, onEnd: () => void) {
    this.#window = options.window ?? 64 * 1024;
    this.#readBytes = options.readBytes ?? Number.POSITIVE_INFINITY;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#settle = () => {
      onEnd();
      resolve();
    };
  }

  read(): Promise<Uint8Array | undefined> {
    if (this.#reader !== undefined) throw new Error("two reads at a time");
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#pump();
    });
  }

  stop(code: number): void {
    if (this.#stopped || this.#readError !== undefined) return;
    this.#stopped = true;
    this.#buffer = Buffer.alloc(0);
    this.#breakWriting(new StreamError("stopped", code));
    this.#pump();
    this.#settle();
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#first();
    return new Promise((resolve, reject) => {
      this.#writers.push({ resolve, reject, bytes: Uint8Array.from(bytes) });
      this.#pump();
    });
  }

  async finish(): Promise<void> {
    this.#first();
    if (this.#writeError !== undefined && !this.#finished) throw this.#writeError;
    this.#finished = true;
    this.#pump();
  }

  reset(code: number): void {
    if (this.#writeError !== undefined || (this.#finished && this.#buffer.length === 0)) return;
    this.#first();
    this.#breakWriting(new StreamError("closed"));
    if (!this.#stopped) this.#breakReading(new StreamError("reset", code));
    this.#settle();
  }

  sever(kind: StreamErrorKind): void {
    // What was finished has arrived: it may still be read.
    const arrived = this.#finished && this.#writers.length === 0;
    this.#breakWriting(new StreamError(kind));
    if (!arrived && !this.#stopped) this.#breakReading(new StreamError(kind));
    this.#settle();
  }

  #first(): void {
    this.onFirstUse?.();
    this.onFirstUse = undefined;
  }

  #breakWriting(error: StreamError): void {
    this.#writeError ??= error;
    for (const writer of this.#writers.splice(0)) writer.reject(this.#writeError);
  }

  #breakReading(error: StreamError): void {
    this.#readError ??= error;
    this.#buffer = Buffer.alloc(0);
    this.#pump();
  }

  #pump(): void {
    this.#takeWrites();
    const reader = this.#reader;
    if (reader === undefined) return;
    if (this.#readError !== undefined) {
      this.#reader = undefined;
      reader.reject(this.#readError);
    } else if (this.#buffer.length > 0) {
      this.#reader = undefined;
      reader.resolve(Uint8Array.from(this.#buffer.subarray(0, this.#readBytes)));
      this.#buffer = this.#buffer.subarray(this.#readBytes);
      this.#takeWrites();
    } else if (this.#stopped || (this.#finished && this.#writers.length === 0)) {
      this.#reader = undefined;
      reader.resolve(undefined);
      this.#settle();
    }
  }

  #takeWrites(): void {
    if (this.#writeError !== undefined) {
      this.#breakWriting(this.#writeError);
      return;
    }
    while (this.#buffer.length < this.#window) {
      const writer = this.#writers.shift();
      if (writer === undefined) return;
      this.#buffer = Buffer.concat([this.#buffer, writer.bytes]);
      writer.resolve();
    }
  }
}

class MemoryDuplex implements Duplex {
  readonly closed: Promise<void>;
  readonly #in: Pipe;
  readonly #out: Pipe;

  constructor(input: Pipe, output: Pipe) {
    this.#in = input;
    this.#out = output;
    this.closed = Promise.all([input.ended, output.ended]).then(() => undefined);
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#in.read();
  }

  stop(code: number): void {
    this.#in.stop(code);
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#out.write(bytes);
  }

  finish(): Promise<void> {
    return this.#out.finish();
  }

  reset(code: number): void {
    this.#out.reset(code);
  }
}
