import assert from "node:assert/strict";
import { test } from "node:test";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

test("an exhausted ticket builds nothing more", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  await stage.built(ticket, 'step "first-use" "echo > $out" { }');
  const { status, stderr } = await stage.build(ticket, 'step "second-use" "echo > $out" { }');
  assert.equal(status, 4, stderr);
  assert.match(stderr, /every use of the ticket is spent/);
});

test("a revoked ticket builds nothing, and says so", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const { ticketId } = JSON.parse((await stage.client.run(["drv-thru", "ticket", "inspect", "--json", ticket])).stdout);
  assert.equal((await stage.admin("ticket", "revoke", ticketId)).status, 0);
  const { status, stderr } = await stage.build(ticket, 'step "after-revoking" "echo > $out" { }');
  assert.equal(status, 4, stderr);
  assert.match(stderr, /revoked/);
});

test("an expired ticket builds nothing, and says so", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket("--expires", "1s");
  while ((await stage.record(ticket)).status !== "expired");
  const { status, stderr } = await stage.build(ticket, 'step "too-late" "echo > $out" { }');
  assert.equal(status, 4, stderr);
  assert.match(stderr, /expired/);
});

test("two clients with a ticket each are both served", { skip }, async () => {
  const stage = current();
  const tickets = [await stage.ticket(), await stage.ticket()];
  const built = await Promise.all(
    tickets.map((ticket, n) => stage.built(ticket, `step "both-${n}" "sleep 1; echo > $out" { }`)),
  );
  assert.equal(built.length, 2);
});

test("two clients at once with one ticket for one build: one of them builds", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const ends = await Promise.all([1, 2].map(n => stage.build(ticket, `step "either-${n}" "sleep 1; echo > $out" { }`)));
  const statuses = ends.map(({ status }) => status).sort();
  assert.equal(statuses[0], 0, ends.map(({ stderr }) => stderr).join("\n"));
  assert.ok(statuses[1] === 3 || statuses[1] === 4, `the other ended with ${statuses[1]}`);
  assert.equal((await stage.record(ticket)).status, "exhausted");
});

test("a client whose Nix trusts another key is told before anything is sent, and its ticket is not spent", {
  skip,
}, async () => {
  const stage = current();
  await stage.client.configure({ "trusted-public-keys": "another-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" });
  try {
    const ticket = await stage.ticket();
    const log = stage.serve.written("stderr");
    assert.match(log, /"inputs named"/, "what the builder says of others");
    const { status, stderr } = await stage.build(ticket, 'step "untrusted" "echo > $out" { }');
    assert.equal(status, 4, stderr);
    assert.doesNotMatch(stage.serve.written("stderr").slice(log.length), /"inputs named"/);
    assert.match(stderr, /trusted-public-keys/, "it says what to configure");
    assert.equal((await stage.record(ticket)).status, "active");
  } finally {
    await stage.trustBuilder();
  }
});

test("a client whose key the builder trusts needs no ticket", { skip }, async () => {
  const stage = current();
  const { stdout } = await stage.client.run(["drv-thru", "key", "show"]);
  await stage.stopServe();
  await stage.startServe(["--trusted-client", stdout.trim()]);
  const told = stage.serve.written();
  const [, server = ""] = /^builder +([0-9a-f]{64})$/m.exec(told) ?? [];
  const [, address = ""] = /^addresses +(\S+)/m.exec(told) ?? [];
  const target = ["--server", server, "--address", address];
  const { status, stderr } = await stage.build("", 'step "for-a-friend" "echo > $out" { }', target);
  assert.equal(status, 0, stderr);
});

test("the builder's owner sees what is built, by whom and for how long, and later how it ended", { skip }, async () => {
  const stage = current();
  const building = stage.start(await stage.ticket("--name", "watched"), 'step "seen" "echo at work; sleep 600" { }');
  await building.until(/at work/, "stderr");
  const during = await stage.admin("status");
  assert.equal(during.status, 0, during.stderr);
  assert.match(during.stdout, /ticket:watched/);
  await building.signal("SIGINT");
  await building.ended;
  const { stdout } = await stage.admin("status", "--json");
  assert.match(stdout, /ticket:watched/);
});
