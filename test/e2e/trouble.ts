import assert from "node:assert/strict";
import type { Host } from "../hosts/host.ts";
import type { Stage } from "./stage.ts";

/** Holds that the ticket has its use. */
export async function unspent(stage: Stage, ticket: string): Promise<void> {
  const { status, usesReserved, usesCommitted } = await stage.record(ticket);
  assert.deepEqual({ status, usesReserved, usesCommitted }, { status: "active", usesReserved: 0, usesCommitted: 0 });
}

/** Runs what must succeed. */
export async function asRoot(host: Host, script: string): Promise<void> {
  const { status, stderr } = await host.run(["sh", "-c", script], { user: "root" });
  assert.equal(status, 0, stderr);
}

/** Has a store of 24 MiB take the place of a host's. As root. */
export const smallStore = [
  "mkdir -p /var/small",
  "mount -t tmpfs -o size=24m,mode=1775 small /var/small",
  "chgrp 30000 /var/small",
  "cp -a /nix/store/. /var/small/",
  "mount --bind /var/small /nix/store",
].join(" && ");
