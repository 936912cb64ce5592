import assert from "node:assert/strict";
import { join, relative } from "node:path";
import { test } from "node:test";
import { checkoutInside } from "../../hosts/files.ts";
import { until } from "../../until.ts";
import { noDaemon, processesWith, startDaemon } from "./host.ts";

const checkout = join(import.meta.dirname, "../../..");

test("where no daemon runs and the store is ours, one that trusts us is started for the conversation and ends with it", {
  skip: noDaemon,
}, async () => {
  const { host, close } = await startDaemon();
  try {
    const marker = `drv-thru-single-${process.pid}`;
    // Another state folder is another Nix, for which no daemon runs.
    const state = "/tmp/state";
    await host.run(["mkdir", state], { user: "root" });
    const program = [inside(process.execPath), inside(join(import.meta.dirname, "single-user.ts")), marker];
    const { status, stdout, stderr } = await host.run(program, { user: "root", env: { NIX_STATE_DIR: state } });
    assert.equal(status, 0, stderr);
    const { trust, status: built, error } = JSON.parse(stdout);
    assert.equal(trust, "trusted", "whoever owns the store needs no signatures");
    assert.equal(built, "built");
    assert.match(error, /was closed/);
    await until("the builder's processes are gone", () => processesWith(marker).length === 0);
  } finally {
    await close();
  }
});

/** Where the host sees a file of this checkout. A Node that is not in it must be where the host has the machine's programs. */
function inside(path: string): string {
  const from = relative(checkout, path);
  return from.startsWith("..") ? path : join(checkoutInside, from);
}
