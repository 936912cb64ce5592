import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { ownUids } from "../hosts/can.ts";
import { useStage } from "./stage.ts";
import { asRoot, smallStore, unspent } from "./trouble.ts";

const { skip, current } = useStage();
const needsRoot = skip ?? (ownUids ? undefined : "needs root, to mount a small disk and to take a folder from a user");

test("a client whose own Nix daemon is gone is told so, and nothing is asked of the builder", {
  skip: needsRoot,
}, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const socket = stage.client.outside("/nix/var/nix/daemon-socket/socket");
  renameSync(socket, `${socket}.away`);
  try {
    const { status, stdout, stderr } = await stage.build(ticket, 'step "own-daemon" "echo > $out" { }');
    assert.equal(stdout, "");
    assert.match(stderr, /^error: .*daemon/m);
    assert.doesNotMatch(stderr, /connecting/);
    assert.equal(status, 3, stderr);
  } finally {
    renameSync(`${socket}.away`, socket);
  }
  await unspent(stage, ticket);
});

test("a client that can keep nothing in its home builds all the same, and is told what that costs", {
  skip: needsRoot,
}, async () => {
  const stage = current();
  const home = `/home/${stage.client.user}`;
  for (const folder of [".local", ".config"])
    rmSync(stage.client.outside(`${home}/${folder}`), { recursive: true, force: true });
  await asRoot(stage.client, `mkdir -m 755 ${home}/.local ${home}/.config`);
  try {
    const { status, stderr } = await stage.build(await stage.ticket(), 'step "homeless" "echo > $out" { }');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /warning: your client key could not be written, so it lives only as long as this command/);
    assert.match(
      stderr,
      /warning: cannot note this build in .*, so a second run could not go on with it: no permission/,
    );
    const failed = await stage.build(await stage.ticket(), 'step "homeless-doomed" "echo its words; exit 1" { }');
    assert.equal(failed.status, 100, failed.stderr);
    assert.match(failed.stderr, /> its words/);
    assert.doesNotMatch(failed.stderr, /the whole log/);
  } finally {
    await asRoot(stage.client, `rm -rf ${home}/.local ${home}/.config`);
  }
});

test("a builder whose store is full says so to an upload and to a build, spends nothing and goes on once there is room", {
  skip: needsRoot,
}, async () => {
  const stage = current();
  await stage.stopServe();
  await asRoot(stage.builder, smallStore);
  // A daemon has a view of the mounts of its own, from when it was started.
  await stage.builder.configure({});
  await stage.startServe();
  const ticket = await stage.ticket();
  writeFileSync(stage.client.outside(`/home/${stage.client.user}/sizeable`), randomBytes(28 << 20));
  const upload = await stage.build(ticket, 'step "too-large" "wc -c < $it > $out" { it = ./sizeable; }');
  assert.match(upload.stderr, /^error: the builder's disk is full$/m);
  assert.equal(upload.status, 3);
  await unspent(stage, ticket);
  await asRoot(stage.builder, "nix-collect-garbage");
  const script = 'step "fills-it" "dd if=/dev/zero of=$out bs=1048576 count=28" { }';
  const building = await stage.build(ticket, script);
  assert.match(building.stderr, /^error: the builder's disk is full$/m);
  assert.equal(building.status, 3);
  await unspent(stage, ticket);
  await asRoot(stage.builder, "mount -o remount,size=200m /nix/store");
  await stage.built(ticket, script);
});
