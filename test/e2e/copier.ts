// Serves a path on loopback that one key has signed, and lets the helper's `nix copy` take it for another: what root's Nix itself makes of that.
// usage: copier.ts NAME SIGNER KEY    (secret keys, SIGNER may be empty; prints {path, exitCode, stderr})
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { nixCopy } from "../../src/helper/nix-copy.ts";
import { formatNarInfo } from "../../src/nix/narinfo.ts";
import { parseSecretKey, signPath } from "../../src/nix/signing-key.ts";
import { hashPart } from "../../src/nix/store-path.ts";
import { unprovenPath } from "../fakes/make-path.ts";

const [name = "", signer = "", asked = ""] = process.argv.slice(2);
const { info, nar } = unprovenPath(name, name);
const signatures = signer === "" ? [] : [signPath(info, parseSecretKey(signer))];
const hash = hashPart(info.path);
const narinfo = formatNarInfo({ info: { ...info, signatures }, url: `nar/${hash}.nar`, compression: "none" });
const files = new Map<string, string | Uint8Array>([
  ["/nix-cache-info", "StoreDir: /nix/store\n"],
  [`/${hash}.narinfo`, narinfo],
  [`/nar/${hash}.nar`, nar],
]);
const server = createServer((request, response) => {
  const file = files.get(request.url ?? "");
  if (file === undefined) response.writeHead(404).end();
  else response.end(file);
});
await new Promise<void>(resolve => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;
const key = parseSecretKey(asked).public;
const signal = AbortSignal.timeout(60_000);
const copied = await nixCopy({ url: `http://127.0.0.1:${port}`, key, paths: [info.path], signal });
process.stdout.write(JSON.stringify({ path: info.path, ...copied }));
server.close();
server.closeAllConnections();
