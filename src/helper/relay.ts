import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { formatNarInfo } from "../nix/narinfo.ts";
import type { PathInfo } from "../nix/path-info.ts";
import type { PublicKey } from "../nix/signing-key.ts";
import { hashPart, STORE_DIR, type StorePath } from "../nix/store-path.ts";
import { CacheFault, narFile, openUpstream, type Upstream } from "./upstream.ts";

/**
 * A binary cache on a loopback port of the helper's own, which passes on what the caller's has. Root's Nix asks only this one: it would follow a
 * redirect of the caller's, or a narinfo that says `URL: file:///etc/shadow`; here neither gets through.
 */
export interface Relay {
  /** For `nix copy --from`. Nobody can guess it. */
  readonly url: string;
  /** The first thing that went wrong. */
  fault(): string | undefined;
  /** May be repeated. */
  close(): void;
}

/** What a relay passes on. */
export interface RelayOptions {
  /** The caller's cache, checked. */
  readonly url: string;
  readonly key: PublicKey;
  readonly paths: readonly StorePath[];
  readonly signal: AbortSignal;
}

/** Opens a {@link Relay}. */
export async function openRelay({ url, key, paths, signal }: RelayOptions): Promise<Relay> {
  const upstream = openUpstream(url, signal);
  const shelf: Shelf = { upstream, key, paths: new Map(paths.map(path => [hashPart(path), path])), infos: new Map() };
  const secret = randomBytes(24).toString("base64url");
  let fault: string | undefined;
  const server = createServer((request, response) => {
    answer(shelf, `/${secret}/`, request, response).catch(error => {
      fault ??= error instanceof Error ? error.message : String(error);
      // What Nix takes as final: it neither asks again nor believes that the path is merely not there.
      if (response.headersSent) response.destroy();
      else response.writeHead(400).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
    upstream.close();
  };
  return { url: `http://127.0.0.1:${port}/${secret}`, fault: () => fault, close };
}

interface Shelf {
  readonly upstream: Upstream;
  readonly key: PublicKey;
  /** What may be asked for, by the hash in its name. */
  readonly paths: ReadonlyMap<string, StorePath>;
  readonly infos: Map<StorePath, PathInfo>;
}

async function answer(shelf: Shelf, base: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url = "", method } = request;
  if (method !== "GET" && method !== "HEAD") return void response.writeHead(405).end();
  const file = url.startsWith(base) ? url.slice(base.length) : "";
  if (file === "nix-cache-info") return void response.end(`StoreDir: ${STORE_DIR}\n`);
  const [, hash = "", narinfo] = /^(?:nar\/)?([0-9a-z]{32})\.(narinfo|nar)$/.exec(file) ?? [];
  const path = shelf.paths.get(hash);
  if (path === undefined) return void response.writeHead(404).end();
  if (file === narFile(path)) return await sendNar(shelf, path, response);
  if (narinfo !== "narinfo") return void response.writeHead(404).end();
  const info = await shelf.upstream.info(path, shelf.key);
  shelf.infos.set(path, info);
  response.setHeader("content-type", "text/x-nix-narinfo");
  response.end(formatNarInfo({ info, url: narFile(path), compression: "none" }));
}

async function sendNar(shelf: Shelf, path: StorePath, response: ServerResponse): Promise<void> {
  const info = shelf.infos.get(path);
  if (info === undefined) return void response.writeHead(404).end();
  const nar = await shelf.upstream.nar(path);
  response.writeHead(200, { "content-length": info.narSize, "content-type": "application/x-nix-nar" });
  await pipeline(nar, atMost(info), response);
}

function atMost({ path, narSize }: PathInfo): Transform {
  let length = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      length += chunk.length;
      if (length > narSize) done(new CacheFault(`the client's cache sent more than the ${narSize} bytes of ${path}`));
      else done(null, chunk);
    },
    flush(done) {
      done(
        length < narSize
          ? new CacheFault(`the client's cache sent ${length} of the ${narSize} bytes of ${path}`)
          : null,
      );
    },
  });
}
