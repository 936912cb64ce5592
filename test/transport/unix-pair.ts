import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listenUnix, unixSession } from "../../src/transport/unix.ts";
import type { SessionPair } from "../contract/session.ts";

/** Two sessions joined by a Unix socket in a folder of their own, which goes when they close. */
export async function unixPair(): Promise<SessionPair> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-unix-"));
  const path = join(folder, "socket");
  const server = await listenUnix(path, { mode: 0o600 });
  const client = unixSession(path);
  const close = async () => {
    await client.close();
    await server.close();
    await rm(folder, { recursive: true });
  };
  return { client, server, close };
}
