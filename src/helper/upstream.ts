import { Agent, type IncomingMessage, request } from "node:http";
import { provingHash } from "../nix/content-address.ts";
import { type NarInfo, parseNarInfo } from "../nix/narinfo.ts";
import type { PathInfo } from "../nix/path-info.ts";
import { type PublicKey, signerOf } from "../nix/signing-key.ts";
import { hashPart, type StorePath } from "../nix/store-path.ts";

/** What a caller's cache did that none may: the import is not done. */
export class CacheFault extends Error {
  override name = "CacheFault";
}

/** A caller's binary cache, believed in nothing. */
export interface Upstream {
  /** What it says of a path, proven by the key or by itself. */
  info(path: StorePath, key: PublicKey): Promise<PathInfo>;
  /** The bytes of a path's NAR, as they come. */
  nar(path: StorePath): Promise<IncomingMessage>;
  close(): void;
}

/** Longest narinfo in bytes: some 16,000 references. */
const MAX_NARINFO = 4 << 20;
/** A cache that sends nothing for so many milliseconds is given up. The builder behind it is given up earlier. */
const IDLE_MS = 300_000;

/** The cache at a checked URL. Redirects are not followed, and nothing but a whole answer counts. */
export function openUpstream(url: string, signal: AbortSignal): Upstream {
  const agent = new Agent({ keepAlive: true });
  const get = (file: string) => ask(`${url}/${file}`, agent, signal);
  return {
    info: async (path, key) => {
      const narinfo = read(path, await wholeText(await get(`${hashPart(path)}.narinfo`)));
      prove(narinfo.info, key);
      return narinfo.info;
    },
    nar: path => get(narFile(path)),
    close: () => agent.destroy(),
  };
}

/** Where a path's NAR is, in the caller's cache and in what Nix is shown. */
export function narFile(path: StorePath): string {
  return `nar/${hashPart(path)}.nar`;
}

async function ask(url: string, agent: Agent, signal: AbortSignal): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asking = request(url, { agent, signal, method: "GET" }, resolve);
  asking.setTimeout(IDLE_MS, () => asking.destroy(new CacheFault("the client's cache sends nothing any more")));
  asking.on("error", reject).end();
  const response = await promise;
  if (response.statusCode === 200) return response;
  asking.destroy();
  throw new CacheFault(
    `the client's cache answered ${response.statusCode} where it must give ${new URL(url).pathname.split("/").at(-1)}`,
  );
}

async function wholeText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_NARINFO) throw new CacheFault("the client's cache sent a narinfo that is too long");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Where a narinfo says that its NAR is elsewhere, root's Nix would follow: to a file, or to another host. */
function read(path: StorePath, text: string): NarInfo {
  const narinfo = parseNarInfo(text);
  if (narinfo.info.path !== path) throw new CacheFault(`the client's cache gave ${narinfo.info.path} for ${path}`);
  if (narinfo.url !== narFile(path) || narinfo.compression !== "none") {
    throw new CacheFault(`the client's cache says that ${path} is somewhere else than in ${narFile(path)}`);
  }
  return narinfo;
}

function prove(info: PathInfo, key: PublicKey): void {
  if (signerOf(info, [key]) === undefined && provingHash(info) === undefined) {
    throw new CacheFault(`${info.path} is not signed by the key ${key.name}`);
  }
}
