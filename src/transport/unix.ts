import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Duplex, type Session, type SessionEnd, StreamError } from "../lib/stream.ts";
import { cannotListen, checkPath, notOurs, removeStale } from "../lib/unix-path.ts";
import { SocketDuplex } from "./unix-duplex.ts";

/** How long closing waits for what was written to be taken, in milliseconds. */
const closeMs = 1000;

/** Connections to one socket at once, where nothing else is said. */
const MAX_CONNECTIONS = 256;

/** How a Unix socket is listened on. */
export interface UnixListenOptions {
  /** Permission bits of the socket file, such as `0o600`. They hold from its first moment on. */
  readonly mode: number;
  /** Connections at once, which is calls at once; further ones are closed. Default 256. */
  readonly maxConnections?: number;
}

/** The caller's side: each stream that it opens is a connection of its own. */
export function unixSession(path: string): Session {
  checkPath(path);
  return new UnixClient(path);
}

/**
 * The builder's side: one session whose `accept` gives every connection. Its `close` stops listening and removes the socket. A socket file that
 * nobody answers on is replaced; one that somebody answers on, or a file of another kind, is refused.
 */
export async function listenUnix(path: string, options: UnixListenOptions): Promise<Session> {
  checkPath(path);
  await removeStale(path);
  const server = createServer({ allowHalfOpen: true });
  server.maxConnections = options.maxConnections ?? MAX_CONNECTIONS;
  const session = new UnixServer(server);
  const umask = process.umask(0o777 & ~options.mode);
  try {
    server.listen(path);
  } finally {
    process.umask(umask);
  }
  try {
    await once(server, "listening");
    await chmod(path, options.mode);
  } catch (cause) {
    server.close();
    throw await cannotListen(path, cause);
  }
  return session;
}

/**
 * A socket that somebody else has bound and listens on, such as systemd: its file is theirs, and stays when this is closed. Throws a `Failure` if the
 * descriptor is none of a Unix socket.
 */
export async function adoptUnix(descriptor: number): Promise<Session> {
  const server = createServer({ allowHalfOpen: true });
  server.maxConnections = MAX_CONNECTIONS;
  const session = new UnixServer(server);
  try {
    server.listen({ fd: descriptor });
    await once(server, "listening");
  } catch (cause) {
    throw notOurs(descriptor, cause);
  }
  if (server.address() === null) return session;
  server.close();
  throw notOurs(descriptor, "it is of a network");
}

/** What both sides share: the open streams and the end. */
abstract class UnixSession implements Session {
  readonly peer = undefined;
  readonly local = undefined;
  readonly calls = "one";
  readonly closed: Promise<SessionEnd>;
  readonly #streams = new Set<SocketDuplex>();
  readonly #settle: (end: SessionEnd) => void;
  protected ended = false;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.closed = promise;
    this.#settle = resolve;
  }

  abstract open(signal?: AbortSignal): Promise<Duplex>;
  abstract accept(): Promise<Duplex | undefined>;

  openUni(): Promise<never> {
    return Promise.reject(new StreamError("closed", 0, "a Unix socket has no one-way streams"));
  }

  async acceptUni(): Promise<undefined> {
    await this.closed;
  }

  async close(code = 0, reason = ""): Promise<void> {
    if (!this.ended) {
      this.ended = true;
      for (const stream of this.#streams) stream.destroySoon();
      const late = setTimeout(() => this.#resetAll(), closeMs);
      await Promise.all([...this.#streams].map(stream => stream.closed));
      clearTimeout(late);
      await this.release();
      this.#settle({ kind: "local", code, reason });
    }
    await this.closed;
  }

  protected abstract release(): Promise<void>;

  protected adopt(socket: Socket): SocketDuplex {
    const stream = new SocketDuplex(socket);
    this.#streams.add(stream);
    void stream.closed.then(() => this.#streams.delete(stream));
    return stream;
  }

  #resetAll(): void {
    for (const stream of this.#streams) stream.reset();
  }
}

class UnixClient extends UnixSession {
  readonly #path: string;

  constructor(path: string) {
    super();
    this.#path = path;
  }

  async open(signal?: AbortSignal): Promise<Duplex> {
    signal?.throwIfAborted();
    if (this.ended) throw new StreamError("closed");
    const socket = connect({ path: this.#path, allowHalfOpen: true });
    try {
      await once(socket, "connect", signal === undefined ? {} : { signal });
    } catch (cause) {
      socket.destroy();
      signal?.throwIfAborted();
      throw new StreamError("lost", 0, `nobody answers on ${this.#path}: ${String(cause)}`, { cause });
    }
    return this.adopt(socket);
  }

  async accept(): Promise<undefined> {
    await this.closed;
  }

  protected async release(): Promise<void> {}
}

class UnixServer extends UnixSession {
  readonly #server: Server;
  readonly #waiting: Duplex[] = [];
  #wake: (() => void) | undefined;

  constructor(server: Server) {
    super();
    this.#server = server;
    server.on("connection", socket => {
      const stream = this.adopt(socket);
      this.#waiting.push(stream);
      void stream.closed.then(() => this.#forget(stream));
      this.#wake?.();
    });
  }

  open(): Promise<never> {
    return Promise.reject(new StreamError("closed", 0, "the listening side of a Unix socket opens no streams"));
  }

  async accept(): Promise<Duplex | undefined> {
    while (!this.ended) {
      const stream = this.#waiting.shift();
      if (stream !== undefined) return stream;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
    return undefined;
  }

  override close(code?: number, reason?: string): Promise<void> {
    this.#server.close();
    const closing = super.close(code, reason);
    this.#wake?.();
    return closing;
  }

  protected async release(): Promise<void> {
    if (this.#server.listening) await once(this.#server, "close");
  }

  #forget(stream: Duplex): void {
    const at = this.#waiting.indexOf(stream);
    if (at >= 0) this.#waiting.splice(at, 1);
  }
}
