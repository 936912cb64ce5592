import { type Host, type HostOptions, makeHost } from "./host.ts";

/** Two machines: the one that builds, and the one that wants something built. */
export interface Hosts {
  readonly builder: Host;
  readonly client: Host;
  /** Ends both, and removes all that was theirs. May be repeated. */
  stop(): Promise<void>;
}

/** Makes two Nix hosts that share this machine's loopback, and nothing else. `builder` builds in a sandbox where it can. */
export async function makeHosts(options: { builder?: HostOptions; client?: HostOptions } = {}): Promise<Hosts> {
  const made = await Promise.allSettled([
    makeHost("builder", { sandbox: true, ...options.builder }),
    makeHost("client", { users: ["guest"], ...options.client }),
  ]);
  const stop = async () => {
    await Promise.all(made.map(result => (result.status === "fulfilled" ? result.value.stop() : undefined)));
  };
  const [builder, client] = made;
  if (builder.status === "fulfilled" && client.status === "fulfilled") {
    return { builder: builder.value, client: client.value, stop };
  }
  await stop();
  throw builder.status === "rejected" ? builder.reason : (client as PromiseRejectedResult).reason;
}
