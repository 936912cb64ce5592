import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Bytes } from "../../lib/bytes.ts";
import { formatNarInfo } from "../../nix/narinfo.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { hashPart, STORE_DIR } from "../../nix/store-path.ts";

/** A binary cache for the import helper, on a loopback port and under a name that nobody can guess. */
export interface LoopbackCache {
  readonly url: string;
  /** What the bytes of a path failed with first. */
  fault(): { readonly error: unknown } | undefined;
  /** Ends what is being sent and closes the port. May be repeated. */
  close(): void;
}

/**
 * Serves these paths, their bytes as `nar` brings them: nothing is kept. It answers GET alone, and all but the exact names of these paths with 404:
 * every user of this machine can connect to the port.
 */
export async function serveLoopback(
  infos: readonly PathInfo[],
  nar: (info: PathInfo) => Bytes,
): Promise<LoopbackCache> {
  const base = `/${randomBytes(24).toString("base64url")}`;
  const files = new Map<string, string | PathInfo>([[`${base}/nix-cache-info`, `StoreDir: ${STORE_DIR}\n`]]);
  for (const info of infos) {
    const url = `nar/${hashPart(info.path)}.nar`;
    files.set(`${base}/${hashPart(info.path)}.narinfo`, formatNarInfo({ info, url, compression: "none" }));
    files.set(`${base}/${url}`, info);
  }
  let fault: { readonly error: unknown } | undefined;
  async function* noting(info: PathInfo): Bytes {
    try {
      yield* nar(info);
    } catch (error) {
      fault ??= { error };
      throw error;
    }
  }
  const server = createServer((request, response) => {
    // Where the bytes failed it is noted; and whoever hangs up is the helper, which says itself why.
    answer(files, noting, request, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: `http://127.0.0.1:${port}${base}`, fault: () => fault, close };
}

async function answer(
  files: ReadonlyMap<string, string | PathInfo>,
  nar: (info: PathInfo) => Bytes,
  { method, url = "" }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (method !== "GET") return void response.writeHead(405, { allow: "GET" }).end();
  const file = files.get(url);
  if (file === undefined) return void response.writeHead(404).end();
  if (typeof file === "string") return void response.end(file);
  response.writeHead(200, { "content-length": file.narSize, "content-type": "application/x-nix-nar" });
  await pipeline(Readable.from(nar(file), { objectMode: false }), response);
}
