import assert from "node:assert/strict";
import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { test } from "node:test";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

test("a user whom nobody trusts imports into a store of their own, and finds it there again", { skip }, async () => {
  const stage = current();
  const { client } = stage;
  await client.configure({ "trusted-public-keys": "" });
  const expression = `let a = step "own-a" "echo one > $out" { }; in step "own" "cat \${a} > $out; echo two >> $out" { }`;
  const flags = ["--store", "./mine"];
  const { status, stdout, stderr } = await stage.build(await stage.ticket(), expression, flags);
  assert.equal(status, 0, stderr);
  const path = stdout.trim();
  assert.match(path, /^\/nix\/store\/[a-z0-9]{32}-own$/);
  const home = `/home/${client.user}`;
  assert.equal(readFileSync(client.outside(`${home}/mine${path}`), "utf8"), "one\ntwo\n");
  assert.ok(!existsSync(client.outside(path)), "the machine's store has nothing of it");
  const known = await client.run(["nix", "path-info", "--store", `${home}/mine`, "--sigs", path]);
  assert.equal(known.status, 0, known.stderr);

  const again = await stage.build("", expression, flags);
  assert.deepEqual([again.status, again.stdout.trim()], [0, path], again.stderr);
});

test("a result link beside a store of one's own names the path as Nix does, and keeps it from that store's collector", {
  skip,
}, async () => {
  const stage = current();
  const { client } = stage;
  const home = `/home/${client.user}`;
  const expression = 'with import ./steps.nix; step "kept" "echo kept > $out" { }';
  const argv = ["drv-thru", "build", "--impure", "--expr", expression, "--store", "./linked"];
  const env = { DRV_THRU_TICKET: await stage.ticket() };
  const { status, stdout, stderr } = await client.run(argv, { env });
  assert.equal(status, 0, stderr);
  const path = stdout.trim();
  assert.equal(readlinkSync(client.outside(`${home}/result`)), path);
  const collected = await client.run(["nix", "store", "gc", "--store", `${home}/linked`]);
  assert.equal(collected.status, 0, collected.stderr);
  assert.ok(existsSync(client.outside(`${home}/linked${path}`)));
});

test("a folder that cannot hold a store is told before anything is asked of a builder", { skip }, async () => {
  const { client } = current();
  const argv = ["drv-thru", "build", "--impure", "--expr", "1", "--store", "/etc/mine"];
  const { status, stderr } = await client.run(argv);
  assert.notEqual(status, 0);
  assert.match(stderr, /cannot open the store \/etc\/mine: .*[Pp]ermission denied/s);
  const remote = await client.run(["drv-thru", "build", "--store", "ssh-ng://elsewhere"]);
  assert.equal(remote.status, 2);
  assert.match(remote.stderr, /the store "ssh-ng:\/\/elsewhere" is not on this machine/);
});
