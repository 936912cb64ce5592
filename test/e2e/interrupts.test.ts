import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { globSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { Host } from "../hosts/host.ts";
import { until } from "../until.ts";
import { type Stage, useStage } from "./stage.ts";

const { skip, current } = useStage();
/** Too many, and too random, to go through before a signal comes. */
const MANY = 12;

test("Ctrl-C in the middle of an upload gives the use back and leaves nothing, so that the same ticket builds it later", {
  skip,
}, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  writeFileSync(stage.client.outside(`/home/${stage.client.user}/heavy`), randomBytes(MANY << 20));
  const expression = 'step "heavy-user" "wc -c < $heavy > $out" { heavy = ./heavy; }';
  const before = await daemonsOf(stage.builder);
  const building = stage.start(ticket, expression);
  await building.until(/uploading inputs/, "stderr");
  await building.signal("SIGINT");
  const { status, stdout, stderr } = await building.ended;
  assert.deepEqual({ status, stdout }, { status: 130, stdout: "" }, stderr);
  assert.match(stderr, /^error: interrupted$/m);
  const { status: standing, usesReserved, usesCommitted } = await stage.record(ticket);
  assert.deepEqual([standing, usesReserved, usesCommitted], ["active", 0, 0]);
  assert.deepEqual(notes(stage), []);
  assert.deepEqual(await active(stage), []);
  await until(
    "the builder's daemon of the build is gone",
    async () => (await daemonsOf(stage.builder)).length <= before.length,
  );
  assert.deepEqual(await validWith(stage.builder, "heavy"), []);
  const [path = ""] = await stage.built(ticket, expression);
  assert.equal(readFileSync(stage.client.outside(path), "utf8").trim(), String(MANY << 20));
});

test("Ctrl-C in the middle of a download keeps the use spent, and the same command fetches the rest at no cost", {
  skip,
}, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const expression = `step "heavy-output" "dd if=/dev/urandom of=$out bs=1048576 count=${MANY}" { }`;
  const building = stage.start(ticket, expression);
  await building.until(/downloading outputs/, "stderr");
  await building.signal("SIGINT");
  const { status, stdout, stderr } = await building.ended;
  assert.deepEqual({ status, stdout }, { status: 130, stdout: "" }, stderr);
  assert.match(stderr, /^error: interrupted\n\nit is built: run the same command again/m);
  assert.equal((await stage.record(ticket)).status, "exhausted");
  assert.deepEqual(await active(stage), []);
  const served = await validWith(stage.builder, "heavy-output");
  assert.equal(served.length, 1, "the builder keeps it");
  assert.deepEqual(await validWith(stage.client, "heavy-output"), []);
  assert.deepEqual(await stage.built(ticket, expression), served);
  assert.equal((await stage.record(ticket))["usesCommitted"], 1);
  assert.deepEqual(notes(stage), []);
});

/** Notes of unfinished builds at the client. */
function notes(stage: Stage): string[] {
  return readdirSync(stage.client.outside(`/home/${stage.client.user}/.local/state/drv-thru/builds`));
}

/** Builds that the builder is at. */
async function active(stage: Stage): Promise<unknown[]> {
  const { stdout } = await stage.admin("status", "--json");
  const { active, queued } = JSON.parse(stdout);
  return [...active, ...queued];
}

/** The store paths of this name that are valid there. */
async function validWith(host: Host, name: string): Promise<string[]> {
  const paths = readdirSync(host.outside("/nix/store")).filter(entry => entry.slice(33) === name);
  const asked = paths.map(async entry => {
    const path = `/nix/store/${entry}`;
    return (await host.run(["nix-store", "--check-validity", path])).status === 0 ? [path] : [];
  });
  return (await Promise.all(asked)).flat();
}

/** The host's processes of Nix's daemon: one, and one for each that talks to it. */
async function daemonsOf(host: Host): Promise<string[]> {
  const space = (await host.run(["readlink", "/proc/self/ns/pid"])).stdout.trim();
  return globSync("/proc/[0-9]*").filter(process => {
    try {
      return (
        readlinkSync(`${process}/ns/pid`) === space && readFileSync(`${process}/cmdline`, "utf8").includes("daemon")
      );
    } catch {
      // It ended meanwhile, or is somebody else's.
      return false;
    }
  });
}
