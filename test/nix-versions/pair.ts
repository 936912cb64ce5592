import { Stage } from "../e2e/stage.ts";
import { busybox } from "../hosts/can.ts";
import { makeHosts } from "../hosts/hosts.ts";
import { bringSteps } from "../hosts/steps.ts";
import { stories } from "./stories.ts";

/** A system that a host can have. */
export interface Machine {
  readonly name: string;
  /** The folder of its programs. */
  readonly system: string;
}

/** Plays all stories between a builder and a client. Gives both Nix versions, and what failed. */
export async function tryPair(builder: Machine, client: Machine): Promise<{ versions: string; failures: string[] }> {
  const sandbox = busybox() !== undefined;
  const hosts = await makeHosts({
    builder: { sandbox, system: builder.system },
    client: { users: ["guest"], system: client.system },
  });
  const stage = new Stage(hosts);
  const failures: string[] = [];
  try {
    const versions = `${await versionOf(stage.builder)} ← ${await versionOf(stage.client)}`;
    bringSteps(stage.client, "guest", stage.builder.sandboxed);
    await stage.startServe();
    await stage.trustBuilder();
    for (const [name, play] of Object.entries(stories)) {
      await play(stage).catch(error =>
        failures.push(`${name}: ${error instanceof Error ? error.message : String(error)}`),
      );
    }
    return { versions, failures };
  } finally {
    await stage.stop();
  }
}

async function versionOf(host: Stage["builder"]): Promise<string> {
  const { stdout } = await host.run(["nix", "--version"]);
  return /\d+(?:\.\d+)+/.exec(stdout)?.[0] ?? "?";
}
