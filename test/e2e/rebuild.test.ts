import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

/** What a build of this expression writes into its first output. */
const random = (name: string) => `step "${name}" "cat /proc/sys/kernel/random/uuid > $out" { }`;

async function hashOf(host: "builder" | "client", path: string): Promise<string> {
  const { stdout, stderr } = await current()[host].run(["nix", "path-info", "--json", path]);
  const told = JSON.parse(stdout || "null");
  assert.ok(told, stderr);
  return (Array.isArray(told) ? told[0] : told[path]).narHash;
}

test("a rebuild goes to the builder although the outputs are valid here, and says that they are the same", {
  skip,
}, async () => {
  const stage = current();
  const same = 'step "same" "echo built here >&2; echo same > $out" { }';
  const [path = ""] = await stage.built(await stage.ticket(), same);
  const again = await stage.build(await stage.ticket(), same, ["--rebuild"]);
  assert.equal(again.status, 0, again.stderr);
  assert.equal(again.stdout.trim(), path);
  assert.match(again.stderr, /built here/, "it was really built again");
  const { recent } = JSON.parse((await stage.admin("status", "--json")).stdout);
  assert.deepEqual([recent[0].rebuild, recent[0].result.outcome], [true, "built"]);
});

test("a rebuild that gives something else exits 104 with both hashes", { skip }, async () => {
  const stage = current();
  const [path = ""] = await stage.built(await stage.ticket(), random("differs"));
  const { status, stderr, stdout } = await stage.build(await stage.ticket(), random("differs"), ["--rebuild"]);
  assert.equal(status, 104, stderr);
  assert.equal(stdout, "");
  const [, before, again] = /built before: (sha256-\S+)\n.*built again: +(sha256-\S+)/.exec(stderr) ?? [];
  assert.equal(before, await hashOf("builder", path), stderr);
  assert.ok(again && again !== before);
  assert.match(stderr, /output '\/nix\/store\/\S+-differs' differs\n/);
});

test("what the builder never built is built first and then compared; its outputs are fetched", { skip }, async () => {
  const stage = current();
  const [path = ""] = await stage.built(
    await stage.ticket(),
    'step "never-built" "echo run >&2; echo fresh > $out" { }',
    ["--rebuild"],
  );
  assert.equal(readFileSync(stage.client.outside(path), "utf8"), "fresh\n");
  const log = await stage.build(await stage.ticket(), 'step "twice" "echo run >&2; echo > $out" { }', ["--rebuild"]);
  assert.equal(log.status, 0, log.stderr);
  assert.equal(log.stderr.match(/^run$/gm)?.length, 2, log.stderr);
});

test("a rebuild compares the requested derivations and not their dependencies", { skip }, async () => {
  const stage = current();
  const needs = `let needed = ${random("needed")}; in step "needs" "echo \${needed} > $out" { }`;
  await stage.built(await stage.ticket(), needs);
  const { status, stderr } = await stage.build(await stage.ticket(), needs, ["--rebuild"]);
  assert.equal(status, 0, stderr);
});

test("outputs that are lacking here are fetched after a rebuild", { skip }, async () => {
  const stage = current();
  const expression = 'step "gone-here" "echo back > $out" { }';
  const paths = await stage.built(await stage.ticket(), expression);
  assert.equal((await stage.client.run(["nix-store", "--delete", ...paths])).status, 0);
  assert.deepEqual(await stage.built(await stage.ticket(), expression, ["--rebuild"]), paths);
  assert.equal(readFileSync(stage.client.outside(paths[0] ?? ""), "utf8"), "back\n");
});

test("a derivation of several outputs of which one is wanted is compared", { skip }, async () => {
  const stage = current();
  const two = 'step "two" "echo a > $out; echo b > $dev" { outputs = [ "out" "dev" ]; }';
  const paths = await stage.built(await stage.ticket(), `{ two = ${two}; }`, ["two^out", "--rebuild"]);
  assert.equal(paths.length, 1);
  assert.match(paths[0] ?? "", /-two$/);
});

test("a rebuild needs a builder, also of what is valid here", { skip }, async () => {
  const stage = current();
  const expression = 'step "no-builder" "echo > $out" { }';
  await stage.built(await stage.ticket(), expression);
  const { status, stderr } = await stage.build("", expression, ["--rebuild"]);
  assert.equal(status, 2, stderr);
  assert.match(stderr, /no builder was named/);
});

test("with -k a rebuild compares what could be built, beside what failed", { skip }, async () => {
  const stage = current();
  const both = `[ (step "bad" "exit 3" { }) (${random("odd")}) ]`;
  const { status, stderr } = await stage.build(await stage.ticket(), both, ["--rebuild", "-k"]);
  assert.equal(status, 100, stderr);
  assert.match(stderr, /not-deterministic: \/nix\/store\/\S+-odd\.drv[\s\S]*built again: +sha256-/);
});

test("attack: a guest rebuilds what differs to fill the builder's disk with folders that only its owner can remove", {
  skip,
}, async () => {
  const stage = current();
  const folders = () => readdirSync(stage.builder.outside("/tmp")).filter(name => name.startsWith("nix-build-")).length;
  const names = ["a", "b", "c", "d", "e", "f"];
  const all = `{ ${names.map(name => `${name} = ${random(`fill-${name}`)};`).join(" ")} }`;
  const ticket = await stage.ticket("--uses", "3");
  await stage.built(ticket, all, names);
  const before = folders();
  for (const _ of [1, 2]) {
    const { status, stderr } = await stage.build(ticket, all, [...names, "--rebuild", "--keep-going"]);
    assert.equal(status, 104, stderr);
  }
  assert.equal(folders() - before, 4, "as many as one ticket may leave");
});
