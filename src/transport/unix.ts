import { once } from "node:events";
import { chmod } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { type Duplex, type Session, StreamError } from "../lib/stream.ts";
import { cannotListen, checkPath, notOurs, removeStale } from "../lib/unix-path.ts";
import { UnixSession } from "./unix-session.ts";

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
