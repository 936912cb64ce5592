import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { endpointIdOf, findBuilder, loadBuilders } from "../../src/client/builders/known.ts";
import { temporaryFolder } from "./folder.ts";

const id = (digit: string) => digit.repeat(64);
const key = `drv-thru:${Buffer.alloc(32, 5).toString("base64")}`;

/** A machine with a builder file of its own, and a user with another. */
async function machine(t: TestContext) {
  const folder = await temporaryFolder(t);
  const system = join(folder, "etc/builders.json");
  const user = join(folder, "home/.config/drv-thru/builders.json");
  const env: Record<string, string> = { HOME: join(folder, "home") };
  const write = (file: string, content: object | string) => {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  };
  const builders = (entries: object) => ({ builders: entries });
  const find = (name: string) => findBuilder(name, env, system);
  return { folder, system, user, env, write, builders, find };
}

test("the user's entry replaces the machine's of the same name as a whole, and the others stay", async t => {
  const { system, user, env, write, builders } = await machine(t);
  write(system, builders({ a: { endpoint_id: id("a"), public_key: key }, b: { endpoint_id: id("b") } }));
  write(user, builders({ a: { endpoint_id: id("c") } }));
  const { builders: known } = await loadBuilders(env, system);
  const a = known.get("a");
  assert.deepEqual([a?.endpointId, a?.publicKey, a?.file, a?.overrides], [id("c"), undefined, user, system]);
  assert.equal(known.get("b")?.file, system);
  const elsewhere = join(dirname(env["HOME"] ?? ""), "xdg");
  write(join(elsewhere, "drv-thru/builders.json"), builders({ b: { endpoint_id: id("d") } }));
  const moved = await loadBuilders({ ...env, XDG_CONFIG_HOME: elsewhere }, system);
  assert.equal(moved.builders.get("b")?.endpointId, id("d"));
  assert.equal(moved.builders.get("a")?.endpointId, id("a"));
});

test("with DRV_THRU_BUILDERS_CONFIG only that file counts, and it must be there", async t => {
  const { folder, system, user, env, write, builders } = await machine(t);
  write(system, builders({ a: { endpoint_id: id("a") } }));
  write(user, builders({ b: { endpoint_id: id("b") } }));
  env["DRV_THRU_BUILDERS_CONFIG"] = join(folder, "only.json");
  await assert.rejects(loadBuilders(env, system), {
    code: "usage",
    message: /DRV_THRU_BUILDERS_CONFIG names .*only\.json/,
  });
  write(join(folder, "only.json"), builders({ c: { endpoint_id: id("c") } }));
  assert.deepEqual([...(await loadBuilders(env, system)).builders.keys()], ["c"]);
});

test("an unknown name lists the known ones; without any file, the paths that were looked at", async t => {
  const { system, user, write, builders, find } = await machine(t);
  await assert.rejects(find("leviathan"), error => {
    assert(error instanceof Error);
    assert.ok(error.message.includes(system) && error.message.includes(user), error.message);
    return true;
  });
  write(user, builders({ zoe: { endpoint_id: id("a") }, alex: { endpoint_id: id("b") } }));
  await assert.rejects(find("leviathan"), {
    code: "usage",
    message: /no builder "leviathan" is known; known are alex, zoe/,
  });
  write(user, builders({}));
  await assert.rejects(find("leviathan"), /none is in/);
});

test("a ticket given as a builder's name is not repeated", async t => {
  const { find } = await machine(t);
  await assert.rejects(find("drvthruabcdef"), error => error instanceof Error && !error.message.includes("abcdef"));
});

test("endpoint_id_file is read at each use, with white space around it dropped, beside its builder file", async t => {
  const { user, write, builders, find } = await machine(t);
  write(user, builders({ lev: { endpoint_id_file: "lev.id", relay_url: null, public_key: null, addresses: null } }));
  const file = join(dirname(user), "lev.id");
  writeFileSync(file, `\n  ${id("A")}\t\n`);
  await assert.rejects(endpointIdOf(await find("lev")), error => {
    assert(error instanceof Error && error.message.includes(file));
    return true;
  });
  writeFileSync(file, `\n  ${id("a")}\t\n`);
  assert.equal(await endpointIdOf(await find("lev")), id("a"));
  writeFileSync(file, id("b"));
  assert.equal(await endpointIdOf(await find("lev")), id("b"));
});

test("a missing or malformed endpoint_id_file is an error with its path, which never repeats what stands there", async t => {
  const { folder, user, write, builders, find } = await machine(t);
  const file = join(folder, "secret.id");
  write(user, builders({ lev: { endpoint_id_file: file } }));
  const refused = async (why: RegExp) => {
    await assert.rejects(endpointIdOf(await find("lev")), error => {
      assert(error instanceof Error && error.message.includes(file) && error.message.includes("lev"), String(error));
      assert.match(error.message, why);
      assert.doesNotMatch(error.message, /hush/);
      return true;
    });
  };
  await refused(/no such file/);
  for (const wrong of ["", "hush", `${id("a")}0`, `${id("a")} hush`, "hush".repeat(2000)]) {
    write(file, wrong);
    await refused(/64 hex digits|4096 bytes/);
  }
});

test("what is wrong in a builder file is named with the file, the builder and the field", async t => {
  const { user, env, system, write, builders } = await machine(t);
  const ok = { endpoint_id: id("a") };
  const wrong: [object | string, RegExp][] = [
    ["{ // mine\n}", /it is not JSON \(which has no comments\)/],
    ["[]", /the whole must be an object/],
    [{ builders: [] }, /builders must be an object/],
    [{ builder: {} }, /"builder" is not a field; there is builders/],
    [
      builders({ lev: { ...ok, frob: 1 } }),
      /builder "lev": "frob" is not a field; there are endpoint_id, endpoint_id_file/,
    ],
    [builders({ lev: {} }), /builder "lev": needs one of endpoint_id and endpoint_id_file/],
    [builders({ lev: { endpoint_id: null, endpoint_id_file: null } }), /needs one of/],
    [builders({ lev: { ...ok, endpoint_id_file: "/f" } }), /has both/],
    [builders({ lev: { endpoint_id: " " } }), /endpoint_id is empty/],
    [builders({ lev: { endpoint_id: "xyz" } }), /endpoint_id: "xyz" is not an endpoint id/],
    [builders({ lev: { endpoint_id: 7 } }), /endpoint_id must be a text/],
    [builders({ lev: { ...ok, relay_url: "relay" } }), /relay_url: "relay" is not the URL of a relay/],
    [builders({ lev: { ...ok, public_key: "drv-thru" } }), /public_key: "drv-thru" is not a Nix public signing key/],
    [builders({ lev: { ...ok, addresses: ["host"] } }), /addresses: "host" is not IP:PORT/],
    [builders({ lev: { ...ok, addresses: "192.0.2.1:1" } }), /addresses must be a list of texts/],
    [builders({ lev: { ...ok, addresses: Array(33).fill("192.0.2.1:1") } }), /more than 32/],
    [builders({ lev: "x" }), /builder "lev": must be an object/],
    [builders({ " ": ok }), /must not be blank/],
    [builders({ "a\u001bb": ok }), /control characters/],
    [builders({ ["n".repeat(129)]: ok }), /at most 128 bytes/],
    [" ".repeat(2 ** 20 + 1), /larger than 1 MiB/],
  ];
  for (const [content, message] of wrong) {
    write(user, content);
    await assert.rejects(loadBuilders(env, system), error => {
      assert(error instanceof Error && "code" in error && error.code === "usage");
      assert.match(error.message, message);
      assert.ok(error.message.includes(user));
      return true;
    });
  }
  write(user, builders({ ["n".repeat(128)]: { ...ok, addresses: Array(32).fill("192.0.2.1:1") } }));
  assert.equal((await loadBuilders(env, system)).builders.size, 1);
});

test("a builder file of the described system is read as it is", async t => {
  const { user, write, find } = await machine(t);
  write(user, `{ "builders": { "leviathan": { "endpoint_id": "${id("e")}", "relay_url": null } } }`);
  const { endpointId, relayUrl, addresses } = await find("leviathan");
  assert.deepEqual([endpointId, relayUrl, addresses], [id("e"), undefined, []]);
});
