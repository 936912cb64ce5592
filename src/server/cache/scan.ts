import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "../../nix/format-error.ts";
import { type NarInfo, parseNarInfo } from "../../nix/narinfo.ts";
import { formatPublicKey, type PublicKey } from "../../nix/signing-key.ts";
import { hashPart } from "../../nix/store-path.ts";
import type { Entry } from "./entries.ts";
import { type CacheFolder, narUrl, readIfThere, syncFolder } from "./folder.ts";

/** Files that are looked at side by side. */
const AT_ONCE = 32;

/**
 * What a cache's folder holds, the least recently used first. Whatever is not whole is removed: narinfos whose archive lacks or has another size,
 * archives that no narinfo names; and everything that another key has signed.
 */
export async function scan(folder: CacheFolder, key: PublicKey): Promise<Entry[]> {
  await folder.prepare();
  const own = `${formatPublicKey(key)}\n`;
  const sameKey = (await readIfThere(folder.keyFile)) === own;
  const names = (await readdir(folder.root)).filter(name => name.endsWith(".narinfo"));
  const entries: Entry[] = [];
  await each(names, async name => {
    const entry = sameKey ? await readEntry(folder, name) : undefined;
    if (entry === undefined) await rm(join(folder.root, name), { force: true });
    else entries.push(entry);
  });
  const named = new Set(entries.map(entry => narUrl(entry.fileHash)));
  await each(await readdir(folder.nars), async name => {
    if (!named.has(`nar/${name}`)) await rm(join(folder.nars, name), { recursive: true, force: true });
  });
  // The key last: a crash before leaves the old one, and everything is removed again.
  await syncFolder(folder.root);
  if (!sameKey) await folder.writeWhole(folder.keyFile, own);
  return entries.sort((a, b) => a.touched - b.touched);
}

async function readEntry(folder: CacheFolder, name: string): Promise<Entry | undefined> {
  const file = join(folder.root, name);
  const narInfo = parsed(await readFile(file, "utf8"));
  if (narInfo === undefined) return undefined;
  const { info, url, fileHash, fileSize } = narInfo;
  const key = hashPart(info.path);
  if (fileHash === undefined || url !== narUrl(fileHash) || name !== `${key}.narinfo`) return undefined;
  const found = await stat(folder.narFile(fileHash)).catch(() => undefined);
  if (found === undefined || !found.isFile() || found.size !== fileSize) return undefined;
  const touched = (await stat(file)).mtimeMs;
  return { key, narHash: info.narHash, fileHash, fileSize, touched, verified: undefined };
}

/** A narinfo that a crash or somebody's hand has spoilt is none. */
export function parsed(text: string): NarInfo | undefined {
  try {
    const narInfo = parseNarInfo(text);
    return narInfo.compression === "zstd" ? narInfo : undefined;
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

async function each(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  for (let at = 0; at < names.length; at += AT_ONCE) await Promise.all(names.slice(at, at + AT_ONCE).map(work));
}
