import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { formatPublicKey, generateSecretKey } from "../../src/nix/signing-key.ts";
import { derivation } from "../fakes/make-path.ts";
import { makeWorld } from "./world.ts";

const app = derivation({ name: "app" });

/** A client that knows a builder by its id, or by a name. */
async function friend(t: TestContext) {
  const world = await makeWorld(t, { trust: "trusted" });
  world.seed(app);
  const { endpointId } = world.builder;
  const server = { server: { endpointId, addresses: ["127.0.0.1:1"] } };
  const folder = join(world.home, ".local/state/drv-thru/signing-keys");
  const changeKey = () => {
    const text = formatPublicKey(generateSecretKey("drv-thru-test").public);
    Object.defineProperty(world.builder, "signingKey", { value: text });
    return text;
  };
  const name = (publicKey?: string) => {
    mkdirSync(join(world.home, ".config/drv-thru"), { recursive: true });
    const lev = { endpoint_id: endpointId, addresses: ["127.0.0.1:1"], public_key: publicKey };
    writeFileSync(join(world.home, ".config/drv-thru/builders.json"), JSON.stringify({ builders: { lev } }));
    return { builder: "lev" };
  };
  return { world, server, folder, file: join(folder, `${endpointId}.key`), changeKey, name };
}

test("the signing key that a builder names first is remembered, and said", async t => {
  const { world, server, file } = await friend(t);
  const first = await world.build([app], { target: server });
  assert.equal(first.failure, undefined);
  const said = first.events.find(event => event.kind === "key-remembered");
  assert.equal(said?.signingKey, world.builder.signingKey);
  assert.equal(readFileSync(file, "utf8"), `${world.builder.signingKey}\n`);
});

test("a builder whose signing key has changed is an alarm, before anything is opened; the new one can be accepted on purpose", async t => {
  const { world, server, file, changeKey } = await friend(t);
  assert.equal((await world.build([app], { target: server })).failure, undefined);
  const before = world.builder.signingKey;
  const after = changeKey();
  world.builder.calls.length = 0;
  const other = derivation({ name: "other" });
  world.seed(other);
  const { failure } = await world.build([other], { target: server });
  assert.deepEqual([failure?.code, failure?.reason], ["not-permitted", "signing-key-changed"]);
  assert.ok(failure?.message.includes(before) && failure.message.includes(after), failure?.message);
  assert.match(failure?.fix ?? "", new RegExp(`rm ${file}$`));
  assert.deepEqual(world.builder.calls, ["present"]);
  assert.equal(readFileSync(file, "utf8"), `${before}\n`, "the alarm does not wear off");
  rmSync(file);
  world.builder.calls.length = 0;
  await world.build([other], { target: server });
  assert.ok(world.builder.calls.includes("open"));
  assert.equal(readFileSync(file, "utf8"), `${after}\n`);
});

test("public_key of a named builder counts above what was remembered, and is not remembered itself", async t => {
  const { world, server, folder, changeKey, name } = await friend(t);
  assert.equal((await world.build([app], { target: name(world.builder.signingKey) })).failure, undefined);
  assert.throws(() => readdirSync(folder), { code: "ENOENT" });
  await world.build([app], { target: server, rebuild: true });
  const after = changeKey();
  assert.equal((await world.build([app], { target: name(), rebuild: true })).failure?.reason, "signing-key-changed");
  world.builder.calls.length = 0;
  await world.build([app], { target: name(after), rebuild: true });
  assert.ok(world.builder.calls.includes("open"), "its owner has said that the key was changed");
});

test("a named builder with another key than its public_key is refused, with the file that says so", async t => {
  const { world, name } = await friend(t);
  const { failure } = await world.build([app], { target: name(formatPublicKey(generateSecretKey("other").public)) });
  assert.equal(failure?.reason, "signing-key-changed");
  assert.match(failure?.fix ?? "", /builders\.json: "public_key": "drv-thru-test:/);
});

test("whether Nix trusts public_key is known before anything is asked of the builder", async t => {
  const world = await makeWorld(t, { trustsKey: false });
  world.seed(app);
  mkdirSync(join(world.home, ".config/drv-thru"), { recursive: true });
  const lev = { endpoint_id: world.builder.endpointId, public_key: world.builder.signingKey };
  writeFileSync(join(world.home, ".config/drv-thru/builders.json"), JSON.stringify({ builders: { lev } }));
  const { failure } = await world.build([app], { target: { builder: "lev" } });
  assert.equal(failure?.reason, "key-not-trusted");
  assert.deepEqual(world.builder.calls, []);
});

test("a damaged memory of a signing key is an error, never a first use", async t => {
  const { world, server, folder, file } = await friend(t);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, "");
  const { failure } = await world.build([app], { target: server });
  assert.equal(failure?.reason, "pin");
  assert.ok(failure?.message.includes(file));
  assert.deepEqual(world.builder.calls, []);
});

test("where the signing key cannot be remembered, the build goes on with a warning", async t => {
  const { world, server } = await friend(t);
  writeFileSync(join(world.home, ".local"), "in the way");
  const { failure, events } = await world.build([app], { target: server });
  assert.equal(failure, undefined);
  assert.ok(events.some(event => event.kind === "warning" && /cannot be remembered/.test(event.text)));
});

test("by a ticket nothing is remembered: it carries the key", async t => {
  const { world, folder } = await friend(t);
  assert.equal((await world.build([app])).failure, undefined);
  assert.throws(() => readdirSync(folder), { code: "ENOENT" });
});

test("that a remembered key has changed is heard before whether Nix trusts it", async t => {
  const world = await makeWorld(t, { trustsKey: false });
  world.seed(app);
  const { endpointId } = world.builder;
  const folder = join(world.home, ".local/state/drv-thru/signing-keys");
  mkdirSync(folder, { recursive: true });
  const target = { server: { endpointId, addresses: ["127.0.0.1:1"] } };
  writeFileSync(join(folder, `${endpointId}.key`), formatPublicKey(generateSecretKey("old").public), { mode: 0o600 });
  assert.equal((await world.build([app], { target })).failure?.reason, "signing-key-changed");
  writeFileSync(join(folder, `${endpointId}.key`), world.builder.signingKey);
  assert.equal((await world.build([app], { target })).failure?.reason, "key-not-trusted");
  assert.deepEqual(new Set(world.builder.calls), new Set(["present"]), "nothing was opened");
});
