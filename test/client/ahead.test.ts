import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { Dial } from "../../src/client/connection/dial.ts";
import { derivation } from "../fakes/make-path.ts";
import { refusal } from "./builder-transfers.ts";
import { kinds, makeWorld, type World, type WorldOptions } from "./world.ts";

const app = derivation({ name: "app" });

/** A world in which every evaluation takes until the builder is called. */
async function slowWorld(t: Parameters<typeof makeWorld>[0], options: WorldOptions = {}): Promise<World> {
  let called: () => void = () => undefined;
  const evaluating = () =>
    new Promise<void>(resolve => {
      called = resolve;
    });
  const world = await makeWorld(t, { notQuick: async () => undefined, evaluating, ...options });
  world.builder.onCall = () => called();
  world.seed(app);
  return world;
}

test("while Nix evaluates the builder is reached, and the build goes over that connection", async t => {
  const world = await slowWorld(t);
  const { failure, events } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.equal(world.builder.sessions.length, 1);
  assert.equal(world.builder.calls.filter(name => name === "present").length, 1);
  assert.deepEqual(kinds(events).slice(0, 3), ["evaluated", "connecting", "connected"]);
});

test("a builder that was reached for nothing is asked nothing more, and left", async t => {
  const world = await slowWorld(t);
  assert.equal((await world.build([app])).failure, undefined);
  const before = world.builder.calls.length;
  const { events } = await world.build([app]);
  assert.deepEqual(kinds(events), ["evaluated", "summary"]);
  assert.deepEqual(world.builder.calls.slice(before), ["present"]);
  assert.equal((await world.builder.sessions[1]?.client.closed)?.kind, "local");
});

test("where there is nothing to build, nobody waits for a builder that does not answer", async t => {
  const dialled = Promise.withResolvers<AbortSignal | undefined>();
  const world = await slowWorld(t, { evaluating: async () => void (await dialled.promise) });
  const { dial } = world.builder;
  const silent: Dial = (_peer, { signal }) => {
    dialled.resolve(signal);
    return new Promise(() => undefined);
  };
  world.nix.seed(...world.builder.nix.valid.values());
  world.nix.produced(app.info.path, app.outputs["out"] ?? app.info.path, "built before", []);
  Object.defineProperty(world.builder, "dial", { value: silent });
  const { failure, report } = await world.build([app]);
  assert.deepEqual([failure, report?.endpointId], [undefined, undefined]);
  assert.equal((await dialled.promise)?.aborted, true);
  Object.defineProperty(world.builder, "dial", { value: dial });
});

test("what the builder has against this client is said once, where something is to be built", async t => {
  const world = await slowWorld(t);
  world.builder.failNext.set("present", refusal(Reason.TICKET_REVOKED, "the ticket was revoked"));
  const { failure } = await world.build([app]);
  assert.equal(failure?.reason, "ticket-revoked");
  assert.deepEqual(world.builder.calls, ["present"]);
});

test("a connection that broke while Nix evaluated is made anew", async t => {
  const world = await slowWorld(t);
  let builds = 0;
  const { onCall } = world.builder;
  world.builder.onCall = name => {
    onCall(name);
    if (name === "open" && builds++ === 0) world.builder.sessions[0]?.kill();
  };
  const { failure, events } = await world.build([app]);
  assert.equal(failure, undefined);
  assert.equal(world.builder.sessions.length, 2);
  assert.ok(events.some(event => event.kind === "reconnecting"));
});

test("who could not import asks the builder nothing but who it is", async t => {
  const world = await slowWorld(t, { trustsKey: false });
  const { failure } = await world.build([app]);
  assert.equal(failure?.reason, "key-not-trusted");
  assert.deepEqual(world.builder.calls, ["present"]);
});

test("a client key that lives in memory alone is the same for the connection and the build", async t => {
  const world = await slowWorld(t);
  writeFileSync(join(world.home, "file"), "");
  const { failure, events } = await world.build([app], { clientKeyFile: join(world.home, "file/secret.key") });
  assert.equal(failure, undefined);
  assert.ok(events.some(event => event.kind === "warning" && /lives only as long/.test(event.text)));
  assert.equal([...world.builder.presented].filter(name => name.startsWith("client-key:")).length, 1);
});

test("Nix is asked once whether it trusts the builder's key, and not where the daemon trusts this user", async t => {
  const world = await slowWorld(t);
  assert.equal((await world.build([app])).failure, undefined);
  assert.deepEqual(
    world.nixCalls.map(([word]) => word),
    ["build", "show-config"],
  );
  const trusted = await slowWorld(t, { trust: "trusted" });
  assert.equal((await trusted.build([app])).failure, undefined);
  assert.deepEqual(
    trusted.nixCalls.map(([word]) => word),
    ["build"],
  );
});
