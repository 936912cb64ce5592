import assert from "node:assert/strict";
import { truncateSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { setLink } from "../hosts/link.ts";
import { useStage } from "./stage.ts";

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
  const file = stage.client.outside(`/home/${stage.client.user}/large`);
  writeFileSync(file, "");
  truncateSync(file, 200 << 20);
  const expression = (name: string) => `step "${name}" "wc -c < $large > $out" { large = ./large; }`;
  const stalled = stage.start(await stage.ticket(), expression("stalled"));
  await stalled.until(/uploading inputs/, "stderr");
  await stalled.signal("SIGSTOP");
  try {
    const { status, stderr } = await stage.build(await stage.ticket(), expression("not-stalled"));
    assert.equal(status, 0, stderr);
  } finally {
    await stalled.signal("SIGKILL");
  }
});
