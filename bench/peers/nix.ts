import type { Job, Peer } from "./peer.ts";
import { type Pair, timed } from "./timed.ts";

/** The ssh name under which the client knows the builder. */
export const SSH_NAME = "bench-builder";

/** What to build, as every one of the programs takes it. */
export type Installable = (job: Job) => readonly string[];

/** The client's own Nix: nobody else. */
export function localPeer(hosts: Pair, installable: Installable): Peer {
  return nixBuild(hosts, installable, ["--builders", ""]);
}

/** Nix's remote builder: nobody but the one that the daemon's configuration names. */
export function sshPeer(hosts: Pair, installable: Installable): Peer {
  return nixBuild(hosts, installable, ["--max-jobs", "0"]);
}

function nixBuild(hosts: Pair, installable: Installable, where: readonly string[]): Peer {
  return {
    build: job => timed(hosts, ["nix", "build", ...installable(job), "--impure", "--no-link", ...where], job.env),
  };
}

/** `nix build --store ssh-ng://…`, then `nix copy` of the outputs. */
export function storePeer(hosts: Pair, installable: Installable): Peer {
  const store = `ssh-ng://${SSH_NAME}`;
  // Not `--print-out-paths`, which Nix 2.8 lacks.
  const script = `set -o pipefail
    paths=$(nix build --store ${store} --eval-store auto "$@" --impure --no-link --json | grep -o '"out":"[^"]*"' | cut -d '"' -f 4) &&
    exec nix copy --from ${store} $paths`;
  return { build: job => timed(hosts, ["bash", "-c", script, "bash", ...installable(job)], job.env) };
}
