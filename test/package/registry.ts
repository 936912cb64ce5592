import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A registry on loopback that has the packages of a checkout's `node_modules` and no others, so that npm installs without a network. */
export interface Registry extends AsyncDisposable {
  readonly url: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
}

/** Serves what the lock file of a checkout names and its `node_modules` holds. */
export async function serveRegistry(root: string): Promise<Registry> {
  const folders = packageFolders(root);
  const server = createServer((request, response) => {
    const name = decodeURIComponent(request.url ?? "").slice(1);
    const answer = name.startsWith("-/") ? tarball(name.slice(2), folders) : document(name, folders, url);
    answer.then(
      body => response.end(body),
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** The folder of each installed package, by `name@version`. */
function packageFolders(root: string): ReadonlyMap<string, string> {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: object };
  const folders = Object.keys(packages)
    .filter(path => path.startsWith("node_modules/") && existsSync(join(root, path, "package.json")))
    .map(path => join(root, path));
  return new Map(folders.map(folder => [idOf(manifest(folder)), folder]));
}

function manifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

function idOf({ name, version }: Manifest): string {
  return `${name}@${version}`;
}

/** What a registry says of a package: all its versions, with the folder's own package.json for each. */
async function document(name: string, folders: ReadonlyMap<string, string>, url: string): Promise<string> {
  const found = [...folders.values()].map(manifest).filter(one => one.name === name);
  const [latest] = found;
  if (latest === undefined) throw new Error(`no ${name} here`);
  const versions = found.map(one => {
    const tarball = `${url}/-/${encodeURIComponent(idOf(one))}`;
    return [one.version, { ...one, dist: { tarball } }] as const;
  });
  return JSON.stringify({ name, "dist-tags": { latest: latest.version }, versions: Object.fromEntries(versions) });
}

async function tarball(id: string, folders: ReadonlyMap<string, string>): Promise<Buffer> {
  const folder = folders.get(id);
  if (folder === undefined) throw new Error(`no ${id} here`);
  const { stdout } = await run("tar", ["-cz", "--transform=s,^\\.,package,", "-C", folder, "."], {
    encoding: "buffer",
    maxBuffer: 256 * 1024 * 1024,
  });
  return stdout;
}
