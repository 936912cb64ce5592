import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import type { HostProcess } from "../hosts/host.ts";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

/** A build that ends only when it is interrupted. */
function start(ticket: string, name: string): HostProcess {
  return current().start(ticket, `step "${name}" "echo begun; sleep 1000" { }`);
}

async function interrupt(builds: readonly HostProcess[]): Promise<void> {
  for (const build of builds) await build.signal("SIGINT");
  for (const build of builds) await build.ended;
}

async function clients(which: "active" | "queued"): Promise<string[]> {
  const { stdout, stderr, status } = await current().admin("status", "--json");
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout)[which].map((build: { client: string }) => build.client);
}

test("whoever has one build waiting is served before the second of whoever has many", { skip }, async () => {
  const stage = current();
  const greedy = await stage.ticket("--unlimited", "--name", "greedy");
  const modest = await stage.ticket("--name", "modest");
  const first = start(greedy, "greedy-0");
  await first.until(/begun/, "stderr");
  const many = [1, 2, 3].map(n => start(greedy, `greedy-${n}`));
  for (const build of many) await build.until(/waiting for a slot/, "stderr");
  const one = start(modest, "modest-1");
  await one.until(/waiting for a slot, place \d/, "stderr");
  try {
    assert.match(one.written("stderr"), /waiting for a slot, place 1\n/);
    assert.deepEqual(await clients("queued"), ["ticket:modest", ...Array(3).fill("ticket:greedy")]);
    await interrupt([first]);
    await one.until(/begun/, "stderr");
    assert.deepEqual(await clients("active"), ["ticket:modest"]);
  } finally {
    await interrupt([...many, one]);
  }
});

test("the time of a ticket counts the build alone, not the wait for a slot", { skip }, async () => {
  const stage = current();
  const holder = start(await stage.ticket(), "holds-the-slot");
  await holder.until(/begun/, "stderr");
  const ticket = await stage.ticket("--max-build-time", "4s");
  const waiting = stage.start(ticket, 'step "in-time" "echo > $out" { }');
  await waiting.until(/waiting for a slot/, "stderr");
  await new Promise(resolve => setTimeout(resolve, 5_000));
  await interrupt([holder]);
  const { status, stderr } = await waiting.ended;
  assert.equal(status, 0, stderr);
  assert.match(stderr, /\n {2}waited +([5-9]|\d\d)s\n/);
});

test("an upload of as many bytes as the ticket allows goes through, one byte more is refused before any is sent", {
  skip,
}, async () => {
  const stage = current();
  const sized = (name: string) => `step "${name}" "echo > $out" { }`;
  // Names of one length make derivations of one length; the tools are there after the first.
  await stage.built(await stage.ticket(), sized("size-0"));
  await stage.built(await stage.ticket(), sized("size-1"));
  const uploaded = async () => JSON.parse((await stage.admin("status", "--json")).stdout).recent[0].uploadedBytes;
  const bytes: number = await uploaded();
  assert.ok(bytes > 0);
  await stage.built(await stage.ticket("--max-upload-bytes", `${bytes}`), sized("size-2"));
  assert.equal(await uploaded(), bytes);
  const refused = await stage.build(await stage.ticket("--max-upload-bytes", `${bytes - 1}`), sized("size-3"));
  assert.equal(refused.status, 4, refused.stderr);
  assert.match(refused.stderr, new RegExp(`has ${bytes} bytes; at most ${bytes - 1} are allowed`));
  assert.equal(await uploaded(), 0, "nothing was sent");
});

test("as many builds run at once as max_concurrent_builds says, and the next one waits", { skip }, async () => {
  const stage = current();
  const { stdout } = await stage.admin("ticket", "inspect", await stage.ticket(), "--json");
  assert.ok(stdout);
  await stage.stopServe();
  const { user } = stage.builder;
  const dataFolder = `/home/${user}/.local/state/drv-thru`;
  const config = { data_dir: dataFolder, relay: "none", max_concurrent_builds: 2, recent_builds_limit: 1 };
  writeFileSync(stage.builder.outside("/tmp/server.json"), JSON.stringify(config));
  await stage.startServeBy("/tmp/server.json");
  const ticket = await stage.ticket("--unlimited");
  const two = [start(ticket, "at-once-1"), start(ticket, "at-once-2")];
  for (const build of two) await build.until(/begun/, "stderr");
  const third = start(ticket, "at-once-3");
  await third.until(/waiting for a slot, place 1/, "stderr");
  try {
    const { stdout: text } = await stage.admin("status");
    assert.match(text, /\n\[##\] active 2\/2, queued 1\n/);
    const recent = text.slice(text.indexOf("Recent:")).match(/^ {2}[0-9a-f]{12} /gm);
    assert.equal(recent?.length, 1, text);
  } finally {
    await interrupt([third, ...two]);
  }
});
