import assert from "node:assert/strict";
import { test } from "node:test";
import { Stores } from "../../src/server/stores.ts";
import { FakeNix } from "../fakes/nix.ts";

const never = new AbortController().signal;
const nothing = async () => undefined;

test("many questions after each other take one conversation with the daemon", async () => {
  const nix = new FakeNix();
  let opened = 0;
  const open = async () => {
    opened += 1;
    return await nix.open();
  };
  const stores = new Stores(open, 2, { idleTime: 60_000 });
  for (let n = 0; n < 10; n++) await stores.use(never, nothing);
  assert.equal(opened, 1);
  stores.close();
  assert.equal(nix.connections.size, 0);
});

test("a conversation that broke is not used again", async () => {
  const nix = new FakeNix();
  const stores = new Stores(nix.open, 2, { idleTime: 60_000 });
  const broken = stores.use(never, async () => {
    throw new Error("broken");
  });
  await assert.rejects(broken, /broken/);
  assert.equal(nix.connections.size, 0);
});

test("without an idle time nothing stays open, and never more than a number at once", async () => {
  const nix = new FakeNix();
  const stores = new Stores(nix.open, 2);
  let most = 0;
  const work = async () => {
    most = Math.max(most, nix.connections.size);
    await new Promise(setImmediate);
  };
  await Promise.all(Array.from({ length: 10 }, () => stores.use(never, work)));
  assert.equal(most, 2);
  assert.equal(nix.connections.size, 0);
});

test("whoever takes all of their own holds up nobody else", async () => {
  const nix = new FakeNix();
  const stores = new Stores(nix.open, 4, { ofOne: 2 });
  const gate = Promise.withResolvers<void>();
  const greedy = Array.from({ length: 5 }, () => stores.use(never, () => gate.promise, "greedy"));
  await stores.use(never, nothing, "modest");
  gate.resolve();
  await Promise.all(greedy);
});

test("a use whose caller has left gives its place to the next", async () => {
  const nix = new FakeNix();
  const stores = new Stores(nix.open, 1);
  const gate = Promise.withResolvers<void>();
  const first = stores.use(never, () => gate.promise);
  const left = new AbortController();
  const second = stores.use(left.signal, nothing);
  left.abort(new Error("left"));
  await assert.rejects(second, /left/);
  const third = stores.use(never, async () => "served");
  gate.resolve();
  await first;
  assert.equal(await third, "served");
});
