import { chmodSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Failure } from "../../../src/lib/failure.ts";
import { openDaemon } from "../../../src/nix/daemon/open.ts";
import type { Store } from "../../../src/nix/store.ts";
import { ownUids, whyNoHosts } from "../../hosts/can.ts";
import type { NixConf } from "../../hosts/files.ts";
import { type Host, makeHost } from "../../hosts/host.ts";

/** Why no daemon can be started here, or false. */
export const noDaemon: string | false = whyNoHosts() ?? false;

/** Why nobody else can connect here, or false. */
export const noOthers: string | false = noDaemon || (!ownUids && "needs root, to connect as another user");

/** A store that `using` closes. */
export type Disposing = Store & Disposable;

/** A host whose daemon is spoken to from outside. */
export interface DaemonHost {
  readonly host: Host;
  readonly socketPath: string;
  open(): Promise<Disposing>;
  close(): Promise<void>;
}

/** Starts one whose Nix trusts nobody, root neither. */
export async function startDaemon(nixConf: NixConf = {}): Promise<DaemonHost> {
  const host = await makeHost("daemon", { nixConf: { "trusted-users": "somebody-else", ...nixConf } });
  // So that another user of this machine can connect.
  chmodSync(host.outside("/"), 0o711);
  const socketPath = host.outside("/nix/var/nix/daemon-socket/socket");
  const open = async () => disposing(await patient(() => openDaemon({ socketPath })));
  return { host, socketPath, open, close: () => host.stop() };
}

/** Connects as another user: the kernel tells the daemon who connected. */
export async function openAs(uid: number, socketPath: string): Promise<Disposing> {
  process.seteuid?.(uid);
  try {
    return disposing(await patient(() => openDaemon({ socketPath })));
  } finally {
    process.seteuid?.(0);
  }
}

function disposing(store: Store): Disposing {
  return Object.assign(store, { [Symbol.dispose]: () => store.close() });
}

/** A daemon makes its socket a moment before it listens. */
async function patient<T>(open: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await open();
    } catch (error) {
      if (tries > 100 || !(error instanceof Failure) || error.code !== "unreachable") throw error;
      await sleep(20);
    }
  }
}

/** The processes of this machine whose command line holds this text. */
export function processesWith(marker: string): string[] {
  return readdirSync("/proc").filter(pid => /^\d+$/.test(pid) && commandOf(pid).includes(marker));
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it has ended meanwhile
  }
}
