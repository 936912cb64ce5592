import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type EndpointId, parseId } from "../../src/lib/ids.ts";
import type { BindingName } from "./bindings.ts";
import type { RemoteNews } from "./remote-protocol.ts";

/** A process of its own with an endpoint. */
export interface ForkedPeer {
  readonly child: ChildProcess;
  readonly address: { readonly id: EndpointId; readonly addresses: readonly string[] };
}

/** Starts a program of this folder with an implementation of Iroh; resolves when its endpoint listens. It ends when its channel to this process does. */
export async function forkPeer(program: string, binding: BindingName): Promise<ForkedPeer> {
  const env = { ...process.env, DRV_THRU_IROH: binding };
  const child = fork(join(import.meta.dirname, program), { serialization: "advanced", env });
  const [news] = (await once(child, "message")) as [RemoteNews];
  const id = news.news === "endpoint" ? parseId<EndpointId>(news.id) : undefined;
  if (news.news !== "endpoint" || id === undefined) throw new Error(`${program} did not say where it is`);
  return { child, address: { id, addresses: news.addresses } };
}

/** Ends such a process in good order. */
export async function endPeer(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.disconnect();
  await exited;
}
