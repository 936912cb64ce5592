import assert from "node:assert/strict";
import { test } from "node:test";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import { derivation, unprovenPath } from "../fakes/make-path.ts";
import { refusal } from "./builder-transfers.ts";
import { makeWorld } from "./world.ts";

test("who could not import is told which lines to add", async t => {
  const world = await makeWorld(t, { trustsKey: false });
  const app = derivation({ name: "app" });
  world.seed(app);
  const { failure } = await world.build([app]);
  assert.deepEqual(
    [failure?.code, failure?.who, failure?.reason],
    ["not-permitted", "this machine", "key-not-trusted"],
  );
  assert.ok(failure?.fix?.includes(`extra-trusted-public-keys = ${world.builder.signingKey}`));
  assert.ok(failure?.fix?.includes(`nix.settings.extra-trusted-public-keys = [ "${world.builder.signingKey}" ];`));
  assert.equal(world.builder.sessions.length, 0);
});

test("who names a builder by id alone learns that before an upload", async t => {
  const world = await makeWorld(t, { trustsKey: false });
  const app = derivation({ name: "app" });
  world.seed(app);
  const { failure } = await world.build([app], { target: { server: { endpointId: world.builder.endpointId } } });
  assert.equal(failure?.reason, "key-not-trusted");
  assert.deepEqual(world.builder.calls, ["present"]);
});

test("a user whom the daemon trusts builds without configuring a key", async t => {
  const world = await makeWorld(t, { trust: "trusted", trustsKey: false });
  const app = derivation({ name: "app" });
  world.seed(app);
  assert.equal((await world.build([app])).failure, undefined);
});

test("an input that was built here and is not signed is refused by name, before anything is asked of the builder", async t => {
  const world = await makeWorld(t);
  const built = unprovenPath("built-here", "x");
  const app = derivation({ name: "app", sources: [built.info.path] });
  world.seed(built, app);
  const { failure } = await world.build([app]);
  assert.equal(failure?.reason, "input-unproven");
  assert.ok(failure?.message.includes(built.info.path));
  assert.equal(world.builder.sessions.length, 0);
});

test("a system that the builder lacks is refused by name, before an upload", async t => {
  const world = await makeWorld(t);
  const app = derivation({ name: "app", system: "riscv64-linux" });
  world.seed(app);
  const { failure } = await world.build([app]);
  assert.equal(failure?.reason, "cannot-build-here");
  assert.match(failure?.message ?? "", /riscv64-linux/);
  assert.deepEqual(world.builder.calls, ["present"]);
});

test("a feature that the builder lacks is refused by name", async t => {
  const world = await makeWorld(t);
  const app = derivation({ name: "app", env: { requiredSystemFeatures: "kvm" } });
  world.seed(app);
  assert.match((await world.build([app])).failure?.message ?? "", /the feature kvm/);
});

test("a dependency for another system is left to the builder, which may fetch it", async t => {
  const world = await makeWorld(t);
  const dep = derivation({ name: "dep", system: "riscv64-linux" });
  const app = derivation({ name: "app", inputs: [dep] });
  world.seed(dep, app);
  assert.equal((await world.build([app])).failure, undefined);
});

test("without a builder, what is not built yet is a usage error that names it", async t => {
  const world = await makeWorld(t);
  const app = derivation({ name: "app" });
  world.seed(app);
  const { failure } = await world.build([app], { target: undefined });
  assert.deepEqual([failure?.code, failure?.reason], ["usage", "no-target"]);
  assert.ok(failure?.message.includes(app.info.path));
});

test("a damaged ticket fails before Nix is asked anything", async t => {
  const world = await makeWorld(t);
  const app = derivation({ name: "app" });
  const { failure } = await world.build([app], { target: { ticket: world.ticket.slice(0, -1) } });
  assert.equal(failure?.code, "usage");
  assert.equal(world.nixCalls.length, 0);
});

test("a client that the builder does not know is told the id to send to its owner", async t => {
  const world = await makeWorld(t);
  const app = derivation({ name: "app" });
  world.seed(app);
  world.builder.failNext.set("present", refusal(Reason.CLIENT_NOT_TRUSTED, "this client is not trusted"));
  const { failure } = await world.build([app], { target: { server: { endpointId: world.builder.endpointId } } });
  assert.equal(failure?.code, "not-permitted");
  assert.match(failure?.fix ?? "", /[0-9a-f]{64}$/);
});

test("a ticket in place of an endpoint id is refused without being printed", async t => {
  const world = await makeWorld(t);
  const { failure } = await world.build([], { target: { server: { endpointId: world.ticket } } });
  assert.equal(failure?.code, "usage");
  assert.ok(!failure?.message.includes(world.ticket.slice(7, 30)));
});

for (const narFetches of [0, -1, 1.5]) {
  test(`${narFetches} streams at once is a usage error before Nix is asked anything`, async t => {
    const world = await makeWorld(t);
    assert.equal((await world.build([], { narFetches })).failure?.code, "usage");
    assert.equal(world.nixCalls.length, 0);
  });
}

test("1,024 derivations are one build, one more is refused before anything is asked of the builder", async t => {
  const world = await makeWorld(t);
  const drvs = Array.from({ length: 1025 }, (_, i) => derivation({ name: `n${i}` }));
  world.seed(...drvs);
  assert.equal((await world.build(drvs.slice(1))).failure, undefined);
  const connected = world.builder.sessions.length;
  world.nix.valid.clear();
  world.seed(...drvs);
  assert.match((await world.build(drvs)).failure?.message ?? "", /1025 derivations are too many/);
  assert.equal(world.builder.sessions.length, connected);
});
