import assert from "node:assert/strict";
import type { Endpoint, EndpointOptions, IrohSession, PeerAddress } from "../../../src/iroh/endpoint.ts";
import { Failure } from "../../../src/lib/failure.ts";
import { type Duplex, type ReadHalf, StreamError } from "../../../src/lib/stream.ts";

/** The protocol of these tests. */
export const alpn = "drv-thru-test/1";

/** Makes an endpoint of the binding under test. */
export type MakeEndpoint = (options: EndpointOptions) => Promise<Endpoint>;

/** Two endpoints with a session between them. */
export interface Pair extends AsyncDisposable {
  readonly server: Endpoint;
  readonly client: Endpoint;
  readonly near: IrohSession;
  readonly far: IrohSession;
}

/** Where an endpoint of a test is. */
export function at(endpoint: Endpoint): PeerAddress {
  return { id: endpoint.id, addresses: endpoint.addresses().direct };
}

/** An endpoint that this machine alone reaches. */
export const onLoopback = { alpns: [alpn], relay: "none", bind: ["127.0.0.1:0"] } as const;

/** Makes both endpoints and joins them; they close with the scope. */
export async function pair(make: MakeEndpoint, options: Partial<EndpointOptions> = {}): Promise<Pair> {
  const server = await make({ ...onLoopback, ...options });
  const client = await make({ ...onLoopback, alpns: [] });
  const accepted = server.accept();
  const near = await client.connect(at(server), alpn);
  const far = await accepted;
  assert.ok(far);
  return {
    server,
    client,
    near,
    far,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}

/** A stream that both sides know. */
export async function streams({ near, far }: Pair): Promise<{ near: Duplex; far: Duplex }> {
  const opened = await near.open();
  const accepted = far.accept();
  await opened.write(Uint8Array.of(1));
  const stream = await accepted;
  assert.ok(stream);
  assert.deepEqual(await stream.read(), Uint8Array.of(1));
  return { near: opened, far: stream };
}

/** Everything up to the clean end. */
export async function readAll(half: ReadHalf): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let piece = await half.read(); piece !== undefined; piece = await half.read()) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Bytes that show when some are missing or out of order. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);
}

/** Checks what a stream threw. */
export function streamErrorOf(kind: string, code = 0): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof StreamError, String(error));
    assert.deepEqual([error.kind, error.code], [kind, code]);
    return true;
  };
}

/** Checks what an endpoint threw. */
export function failureOf(code: string, reason?: string): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof Failure, String(error));
    assert.deepEqual([error.code, error.reason], [code, reason]);
    return true;
  };
}
/** Writes until that fails. */
export async function writeUntilItFails(stream: Duplex): Promise<void> {
  for (;;) await stream.write(new Uint8Array(64 * 1024));
}

/** An endpoint that closes with the scope. */
export function disposable(it: Endpoint): { readonly it: Endpoint } & AsyncDisposable {
  return { it, [Symbol.asyncDispose]: () => it.close() };
}
