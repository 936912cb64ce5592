import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { formatNarInfo } from "../../src/nix/narinfo.ts";
import { type SecretKey, signPath } from "../../src/nix/signing-key.ts";
import { hashPart } from "../../src/nix/store-path.ts";
import type { MadePath } from "../fakes/make-path.ts";

/** A caller's loopback cache. */
export interface TestCache {
  readonly url: string;
  /** What was asked of it, in order. */
  readonly asked: string[];
}

/** Serves these paths signed by this key, until the test ends. `instead` may answer a request in its own way. */
export async function serveCache(
  t: TestContext,
  paths: readonly MadePath[],
  key: SecretKey,
  instead: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Promise<TestCache> {
  const asked: string[] = [];
  const files = new Map<string, string | Uint8Array>();
  for (const { info, nar } of paths) {
    const url = `nar/${hashPart(info.path)}.nar`;
    const signed = { ...info, signatures: [signPath(info, key)] };
    files.set(`/secret/${hashPart(info.path)}.narinfo`, formatNarInfo({ info: signed, url, compression: "none" }));
    files.set(`/secret/${url}`, nar);
  }
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (instead(request, response)) return;
    const file = files.get(request.url ?? "");
    if (file === undefined) response.writeHead(404).end();
    else response.end(file);
  });
  await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/secret`, asked };
}
