import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { HostProcess } from "../hosts/host.ts";
import { setLink } from "../hosts/link.ts";
import { type Stage, useStage } from "./stage.ts";

const { skip, current } = useStage({ link: true });

test("a link that is pulled during a build and plugged in again costs nothing", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const building = stage.start(ticket, 'step "long" "echo at work; sleep 6; echo done > $out" { }');
  await building.until(/at work/, "stderr");
  await setLink(stage.client, "down");
  await building.until(/reconnect|lost|retry|again/i, "stderr");
  await setLink(stage.client, "up");
  const { status, stderr } = await building.ended;
  assert.equal(status, 0, stderr);
  assert.equal((await stage.record(ticket)).status, "exhausted");
});

test("a client that stops in the middle of an upload does not keep another from sending the same path", {
  skip,
}, async () => {
  const stage = current();
  writeFileSync(stage.client.outside(`/home/${stage.client.user}/large`), randomBytes(64 << 20));
  const expression = (name: string) => `step "${name}" "wc -c < $large > $out" { large = ./large; }`;
  const stalled = stage.start(await stage.ticket(), expression("stalled"));
  await stalled.until(/uploading inputs/, "stderr");
  await stalled.signal("SIGSTOP");
  try {
    const { bytes, totalBytes } = await onceBegun(stage, stalled);
    assert.ok(bytes < totalBytes, `all ${bytes} bytes have come: nothing stalls`);
    const { status, stderr } = await stage.build(await stage.ticket(), expression("not-stalled"));
    assert.equal(status, 0, stderr);
  } finally {
    await stalled.signal("SIGKILL");
  }
});

test("a download that is cut at about half of a large path fetches about the other half only", { skip }, async () => {
  const stage = current();
  const size = 24_000_000;
  const ticket = await stage.ticket();
  const building = stage.start(ticket, `step "large-output" "head -c ${size} /dev/urandom > $out" { }`);
  await building.until(/downloading outputs/, "stderr");
  const before = await received(stage);
  let half = before;
  while (half - before < size / 2) half = await received(stage);
  await setLink(stage.client, "down");
  await building.until(/reconnect|lost|retry|again/i, "stderr");
  await setLink(stage.client, "up");
  const { status, stdout, stderr } = await building.ended;
  assert.equal(status, 0, stderr);
  assert.equal(statSync(stage.client.outside(stdout.trim())).size, size);
  const rest = (await received(stage)) - half;
  assert.ok(rest < size * 0.65, `${rest} bytes after the cut, of ${size}`);
  const verified = await stage.client.run(["nix", "store", "verify", "--sigs-needed", "1", stdout.trim()]);
  assert.equal(verified.status, 0, verified.stderr);
});

/** The upload of a client that was stopped, which may go on for moments until the builder has something of it. */
async function onceBegun(stage: Stage, client: HostProcess): Promise<{ bytes: number; totalBytes: number }> {
  for (;;) {
    const { stdout, stderr } = await stage.admin("status", "--json");
    assert.equal(stderr, "");
    const [upload] = JSON.parse(stdout).uploads;
    if (upload?.bytes > 0) return upload;
    await client.signal("SIGCONT");
    await setTimeout(50);
    await client.signal("SIGSTOP");
  }
}

/** Bytes that have come over the client's link. */
async function received({ client }: Stage): Promise<number> {
  const { stdout, stderr } = await client.run(["cat", "/proc/net/dev"]);
  const [, bytes] = /link0:\s*(\d+)/.exec(stdout) ?? [];
  assert.ok(bytes, stderr);
  return Number(bytes);
}
