import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { HostProcess } from "../hosts/host.ts";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

interface Told {
  readonly endpointId: string;
  readonly activeCount: number;
  readonly queuedCount: number;
  readonly active: readonly Build[];
  readonly queued: readonly Build[];
  readonly recent: readonly Build[];
}

interface Build {
  readonly id: string;
  readonly client: string;
  readonly installable: string;
  readonly queuePosition?: number;
  readonly queuedAt?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly uploadedBytes: number;
  readonly downloadedBytes: number;
  readonly result?: { readonly outcome: string; readonly message: string };
}

/** Starts a build that goes on until its client is interrupted, and waits until it is in its phase. */
async function holding(ticket: string, name: string, phase: RegExp): Promise<HostProcess> {
  const build = current().start(ticket, `step "${name}" "echo begun; sleep 1000" { }`);
  await build.until(phase, "stderr");
  return build;
}

async function interrupt(...builds: HostProcess[]): Promise<void> {
  for (const build of builds) {
    await build.signal("SIGINT");
    assert.equal((await build.ended).status, 130);
  }
}

async function statusJson(...flags: string[]): Promise<Told> {
  const { status, stdout, stderr } = await current().admin("status", "--json", ...flags);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

test("the status names the builder first, and who builds, who waits and for how long", { skip }, async () => {
  const stage = current();
  const first = await holding(await stage.ticket("--name", "friend"), "first", /begun/);
  const second = await holding(await stage.ticket("--name", "other"), "second", /waiting/);
  try {
    const { stdout } = await stage.admin("status");
    const told = await statusJson();
    const [lead = "", capacity] = stdout.split("\n");
    assert.match(told.endpointId, /^[0-9a-f]{64}$/);
    assert.equal(lead, `builder ${told.endpointId}`);
    assert.equal(capacity, "[#] active 1/1, queued 1");
    assert.match(stdout, /\nActive:\n {2}[0-9a-f]{12} {2}ticket:friend {2}building {2}\d+s {2}\S/);
    assert.match(stdout, /\nQueue:\n {2}#1 {2}[0-9a-f]{12} {2}ticket:other {2}waiting \d+s {2}\S/);
    assert.ok(told.active[0]?.startedAt && told.active[0].queuedAt && told.queued[0]?.queuedAt);
    assert.equal(told.queued[0].queuePosition, 1);
  } finally {
    await interrupt(second, first);
  }
  assert.match((await stage.admin("status")).stdout, /\nidle\n/);
});

test("a ticket's holder sees the own builds and the number of the others", { skip }, async () => {
  const stage = current();
  const [mine, theirs] = [await stage.ticket(), await stage.ticket()];
  const building = await holding(theirs, "theirs", /begun/);
  const waiting = await holding(mine, "mine", /waiting/);
  try {
    const { status, stdout, stderr } = await stage.client.run(["drv-thru", "status", "--json", "--ticket", mine]);
    assert.equal(status, 0, stderr);
    const told: Told = JSON.parse(stdout);
    assert.deepEqual([told.activeCount, told.active.length, told.queuedCount, told.queued.length], [1, 0, 1, 1]);
    assert.deepEqual(told.recent, []);
    const { stdout: text } = await stage.client.run(["drv-thru", "status", "--ticket", mine]);
    assert.match(text, /Active:\n {2}and 1 of others/);
  } finally {
    await interrupt(waiting, building);
  }
});

test("recent builds have result, duration, bytes and a short error, and survive a restart", { skip }, async () => {
  const stage = current();
  await stage.built(await stage.ticket(), 'step "fine" "echo fine > $out" { }');
  const failed = await stage.build(await stage.ticket("--name", "unlucky"), 'step "broken" "exit 3" { }');
  assert.equal(failed.status, 100);
  const before = (await statusJson()).recent;
  const [broken, fine] = before;
  assert.deepEqual([broken?.result?.outcome, broken?.client], ["failed", "ticket:unlucky"]);
  assert.ok(broken?.result && broken.result.message.length > 0 && broken.result.message.length <= 512);
  assert.equal(fine?.result?.outcome, "built");
  assert.ok(fine && fine.uploadedBytes > 0 && fine.downloadedBytes > 0);
  const { stdout } = await stage.admin("status");
  assert.match(stdout, /\n {2}[0-9a-f]{12} {2}ticket:unlucky +failed +\d+s .* up .* down .*\n {4}\S/);
  await stage.stopServe();
  await stage.startServe();
  assert.deepEqual((await statusJson()).recent, before);
});

test("a watched status is a line of JSON a change, and without a terminal a frame a change with an empty line between", {
  skip,
}, async () => {
  const stage = current();
  const json = stage.builder.spawn(["drv-thru", "status", "--watch", "--json"]);
  const frames = stage.builder.spawn(["drv-thru", "status", "--watch"]);
  await json.until(/\n/);
  await frames.until(/idle/);
  await stage.built(await stage.ticket("--name", "watched"), 'step "watched" "sleep 1; echo > $out" { }');
  await json.until(/"recent":\[\{[^\n]*ticket:watched[^\n]*\n/);
  await frames.until(/\n\nbuilder [0-9a-f]{64}\n\[#\] active 1\/1, queued 0\n(.+\n)*\nActive:\n.*ticket:watched/);
  for (const watch of [json, frames]) await watch.signal("SIGINT");
  const lines = (await json.ended).stdout.trim().split("\n");
  const told: Told[] = lines.map(line => JSON.parse(line));
  assert.ok(told.some(status => status.active[0]?.client === "ticket:watched"));
  assert.equal(new Set(lines.map(line => line.replace(/"at":"[^"]*",/, ""))).size, lines.length, "each is a change");
  const { status, stderr } = await frames.ended;
  assert.deepEqual([status, stderr], [130, ""]);
});

test("on a terminal a watched status is redrawn in place, and Ctrl-C leaves the terminal as it was", {
  skip: skip ?? whyNoTerminal(),
}, async () => {
  const stage = current();
  const watch = "trap : INT; stty -g >/tmp/before; drv-thru status --watch; echo code $?; stty -g >/tmp/after";
  const command = `${watch}; cmp /tmp/before /tmp/after && echo unchanged`;
  const terminal = stage.builder.spawn(["script", "-qfec", command, "/dev/null"], { env: { TERM: "xterm" } });
  await terminal.until(/active 0\/1/);
  const building = await holding(await stage.ticket("--name", "seen"), "seen", /begun/);
  try {
    await terminal.until(
      /ticket:seen +building +[1-9]\d*s[\s\S]*\x1b\[\d+A[\s\S]*ticket:seen +building +([2-9]|\d\d)s/,
    );
    terminal.stdin.write("\x03");
    await terminal.until(/unchanged/);
    const drawn = (await terminal.ended).stdout;
    assert.match(drawn, /code 130/);
    assert.doesNotMatch(drawn, /\x1b\[\?/, "no mode of the terminal is switched");
  } finally {
    await interrupt(building);
  }
});

test("a client's key asks a builder that trusts it by its endpoint id", { skip }, async () => {
  const stage = current();
  const id = (await stage.client.run(["drv-thru", "key", "show"])).stdout.trim();
  await stage.stopServe();
  await stage.startServe(["--trusted-client", id]);
  const { stdout } = await stage.admin("ticket", "inspect", await stage.ticket(), "--json");
  const { endpointId, addresses } = JSON.parse(stdout);
  const where = ["--server", endpointId, "--address", addresses[0]];
  const { status, stdout: told, stderr } = await stage.client.run(["drv-thru", "status", ...where]);
  assert.equal(status, 0, stderr);
  assert.equal(told.split("\n")[0], `builder ${endpointId}`);
});

test("escapes in what a peer sends never reach the administrator's terminal", { skip }, async () => {
  const stage = current();
  const sequence = "\x1b]0;stolen\x07\x1b[2J";
  const expression = `builtins.seq "${sequence}" (derivation { name = "x"; system = builtins.currentSystem; builder = "/none"; })`;
  const ticket = await stage.ticket("--name", "sly");
  // The installable that is told is the command's own words.
  writeFileSync(stage.client.outside(`/tmp/${sequence.replaceAll("\x07", "")}.nix`), expression);
  const argv = ["drv-thru", "build", "--impure", "--no-link", "-f", `/tmp/${sequence.replaceAll("\x07", "")}.nix`];
  const build = await stage.client.run([...argv, "--ticket", ticket]);
  assert.equal(build.status, 100, build.stderr);
  const { stdout } = await stage.admin("status");
  assert.match(stdout, /ticket:sly/);
  assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
  assert.doesNotMatch((await stage.admin("status", "--json")).stdout, /\\u001b|\x1b/);
});

function whyNoTerminal(): string | undefined {
  return existsSync("/usr/bin/script") ? undefined : "there is no script(1) to make a terminal with";
}
