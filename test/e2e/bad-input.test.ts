import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { chmodSync, readdirSync, renameSync } from "node:fs";
import { test } from "node:test";
import { ownUids } from "../hosts/can.ts";
import type { Ended } from "../hosts/process.ts";
import { type Stage, useStage } from "./stage.ts";
import { asRoot, smallStore, unspent } from "./trouble.ts";

const { skip, current } = useStage();
const DATA = "/home/builder/.local/state/drv-thru";
const needsRoot = skip ?? (ownUids ? undefined : "needs root, to mount a small disk");

/** Holds that somebody was refused so: this exit code and these words; no answer, no stack, and no secret of a ticket. */
function refused({ status, stdout, stderr }: Ended, code: number, words: RegExp, ticket?: string): void {
  assert.equal(status, code, stderr);
  assert.match(stderr, words);
  assert.match(stderr, /^error: /m);
  assert.equal(stdout, "");
  assert.doesNotMatch(stderr, /^ +at .*:\d+:\d+\)?$/m, "a stack");
  if (ticket) assert.ok(!stderr.includes(ticket.slice(60, 90)), "a part of the ticket was printed");
}

/** Holds that a build that did not happen left nothing: the ticket has its use, the client no note of a build. */
async function nothingSpent(stage: Stage, ticket: string): Promise<void> {
  await unspent(stage, ticket);
  assert.deepEqual(notes(stage), []);
}

function notes(stage: Stage): string[] {
  try {
    return readdirSync(stage.client.outside("/home/guest/.local/state/drv-thru/builds"));
  } catch {
    // Nothing was ever noted.
    return [];
  }
}

test("a ticket that is damaged, of another kind or empty is refused before anything else, and never printed", {
  skip,
}, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const other = ticket[80] === "a" ? "b" : "a";
  for (const [text, words] of [
    [ticket.slice(0, 80) + other + ticket.slice(81), /the ticket is damaged or incomplete/],
    [ticket.slice(0, -1), /the ticket is damaged or incomplete/],
    [`${ticket}${ticket}`, /the ticket is damaged or incomplete/],
    ["  ", /there is no ticket in --ticket/],
    ["-", /there is no ticket in stdin/],
    ["3f9a2c01d4e5", /it may be the id of one\n\non the builder: drv-thru ticket reveal ID/],
    ["hello", /a ticket begins with drvthru/],
  ] as const) {
    refused(await stage.build("", 'step "x" "echo > $out" { }', ["--ticket", text]), 2, words, ticket);
  }
  await nothingSpent(stage, ticket);
});

test("what cannot be evaluated, or built there, is named and costs nothing", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  for (const [expression, code, words] of [
    ["{ a = ", 1, /nix cannot evaluate --expr …: .*syntax error/s],
    ['throw "my reason"', 1, /nix cannot evaluate --expr …: .*my reason/s],
    ['step "x" "" { src = ./absent; }', 1, /absent/],
    ['step "x" "" { system = "riscv64-linux"; }', 1, /-x\.drv needs the system riscv64-linux, which the builder lacks/],
    [
      'step "x" "" { requiredSystemFeatures = [ "quantum" ]; }',
      1,
      /needs the feature quantum, which the builder lacks/,
    ],
  ] as const) {
    refused(await stage.build(ticket, expression), code, words, ticket);
  }
  const typed = (...argv: string[]) =>
    stage.client.run(["drv-thru", "build", ...argv], { env: { DRV_THRU_TICKET: ticket } });
  refused(await typed("-f", "absent.nix"), 1, /nix cannot evaluate -f absent\.nix/);
  refused(await typed("--", "-x"), 2, /"-x" is not an installable/);
  refused(await typed("/nix/store/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-x"), 1, /aaaa-x is not in the store/);
  refused(await typed("--no-link", ".#x"), 1, /flake\.nix/);
  await nothingSpent(stage, ticket);
});

test("a source that was damaged in the client's store is refused by the builder, and the command says how to look at it", {
  skip,
}, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const source = 'builtins.toFile "damaged" "as it was"';
  const { stdout: path } = await stage.client.run(["nix", "eval", "--raw", "--expr", source]);
  await asRoot(stage.client, `chmod u+w ${path} && printf "as it is!" > ${path}`);
  const words = /the bytes of \S+-damaged are not what they should be.*\n\nnix-store --verify-path \S+-damaged\n/s;
  refused(await stage.build(ticket, `step "mender" "cat \${${source}} > $out" { }`), 102, words, ticket);
  await nothingSpent(stage, ticket);
});

test("a result link that cannot be made is refused before the build", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const expression = 'with import ./steps.nix; step "unlinked" "echo > $out" { }';
  for (const [link, words] of [
    [".", /cannot make the result link \/home\/guest: something else is there/],
    ["absent/result", /absent\/result: there is no such file or folder\n/],
    ["/proc/result", /cannot make the result link \/proc\/result/],
  ] as const) {
    const argv = ["drv-thru", "build", "--impure", "--expr", expression, "-o", link];
    refused(await stage.client.run(argv, { env: { DRV_THRU_TICKET: ticket } }), 1, words);
  }
  await nothingSpent(stage, ticket);
});

test("Ctrl-C ends a command while it evaluates, while it connects and while it waits", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const endless = 'let f = n: if n == 0 then 0 else f (n - 1) + f (n - 1); in builtins.trace "begun" (f 60)';
  const evaluating = stage.start(ticket, endless);
  await evaluating.until(/begun/, "stderr");
  await evaluating.signal("SIGINT");
  refused(await evaluating.ended, 130, /interrupted/);

  const { x = "" } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
  const nowhere = ["--server", Buffer.from(x, "base64url").toString("hex"), "--address", "127.0.0.1:9"];
  const connecting = stage.start("", 'step "alone" "echo > $out" { }', nowhere);
  await connecting.until(/connecting/, "stderr");
  await connecting.signal("SIGINT");
  refused(await connecting.ended, 130, /interrupted/);

  const first = stage.start(await stage.ticket(), 'step "first" "echo at work; sleep 600" { }');
  await first.until(/at work/, "stderr");
  const queued = stage.start(ticket, 'step "second" "echo > $out" { }');
  await queued.until(/waiting for a slot/, "stderr");
  await queued.signal("SIGINT");
  refused(await queued.ended, 130, /interrupted/);
  await first.signal("SIGINT");
  refused(await first.ended, 130, /interrupted/);
  await nothingSpent(stage, ticket);
});

test("another builder on the ticket's port is not taken for its own", { skip }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const key = stage.builder.outside(`${DATA}/secret.key`);
  await stage.stopServe();
  renameSync(key, `${key}.kept`);
  try {
    await stage.startServe();
    const ended = await stage.build(ticket, 'step "wrong-builder" "echo > $out" { }');
    refused(ended, 3, /another endpoint than [0-9a-f]{64} answers/, ticket);
  } finally {
    await stage.stopServe();
    renameSync(`${key}.kept`, key);
    await stage.startServe();
  }
  await nothingSpent(stage, ticket);
});

test("a builder that cannot start says which file or program is in its way", { skip }, async () => {
  const stage = current();
  const serve = (...flags: string[]) => stage.admin("serve", "--relay", "none", ...flags);
  refused(await serve(), 1, /is held by another drv-thru serve, process \d+/);
  refused(await serve("--data-dir", "/proc/builder"), 1, /the data folder \/proc\/builder cannot be used/);
  refused(await serve("--data-dir", "x".repeat(100)), 2, /has 1\d\d bytes; at most 100 are possible/);
  const port = /\d+\.\d+\.\d+\.\d+:(\d+)/.exec(stage.serve.written())?.[1];
  refused(await serve("--data-dir", "other", "--bind", `0.0.0.0:${port}`), 1, /already in use[\s\S]*--bind/);
  const key = stage.builder.outside("/home/builder/other/secret.key");
  chmodSync(key, 0o644);
  refused(await serve("--data-dir", "other"), 1, /is open to others \(mode 0644\)\n\nchmod 600 /);
  chmodSync(key, 0o600);
  const socket = { NIX_DAEMON_SOCKET_PATH: "/nix/absent" };
  const argv = ["drv-thru", "serve", "--relay", "none", "--data-dir", "other"];
  refused(await stage.builder.run(argv, { env: socket }), 3, /there is no Nix daemon socket \/nix\/absent/);
  const node = ["/drv-thru/node_modules/.bin/node", "/drv-thru/src/bin.ts", ...argv.slice(1)];
  refused(await stage.builder.run(node, { env: { PATH: "/nowhere" } }), 1, /there is no nix program in PATH/);
});

test("a full disk at the client is told as such, and the same command goes on once there is room", {
  skip: needsRoot,
}, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const script = 'step "large" "dd if=/dev/zero of=$out bs=1048576 count=40" { }';
  await asRoot(stage.client, smallStore);
  // A daemon has a view of the mounts of its own, from when it was started.
  await stage.client.configure({});
  refused(await stage.build(ticket, script), 1, /Nix: .*No space left on device\n\nnix-collect-garbage/);
  assert.equal((await stage.record(ticket)).status, "exhausted", "it was built");
  await asRoot(stage.client, "mount -o remount,size=200m /nix/store");
  const again = await stage.build(ticket, script);
  assert.equal(again.status, 0, again.stderr);
});

test("a builder that is told to stop lets a build end, takes no new one, and leaves at once when told twice", {
  skip,
}, async () => {
  const stage = current();
  const [drained, late, cut] = [await stage.ticket(), await stage.ticket(), await stage.ticket()];
  const building = stage.start(drained, 'step "drained" "echo at work; sleep 10; echo > $out" { }');
  await building.until(/at work/, "stderr");
  await stage.serve.signal("SIGTERM");
  await stage.serve.until(/stopping/, "stderr");
  refused(await stage.build(late, 'step "late" "echo > $out" { }'), 3, /stopping|try again/);
  assert.equal((await building.ended).status, 0);
  assert.equal((await stage.serve.ended).status, 0);
  await stage.startServe();
  await nothingSpent(stage, late);

  const cutOff = stage.start(cut, 'step "cut-off" "echo at work; sleep 600" { }');
  await cutOff.until(/at work/, "stderr");
  await stage.serve.signal("SIGTERM");
  await stage.serve.until(/stopping/, "stderr");
  await stage.stopServe();
  await stage.startServe();
  refused(await cutOff.ended, 3, /the builder/);
  await nothingSpent(stage, cut);
});

test("a Nix daemon that is gone at the builder costs nothing", { skip: needsRoot }, async () => {
  const stage = current();
  const ticket = await stage.ticket();
  const socket = stage.builder.outside("/nix/var/nix/daemon-socket/socket");
  renameSync(socket, `${socket}.away`);
  try {
    const ended = await stage.build(ticket, 'step "no-daemon" "echo > $out" { }');
    refused(ended, 3, /the builder's Nix daemon does not answer/);
  } finally {
    renameSync(`${socket}.away`, socket);
  }
  await nothingSpent(stage, ticket);
});

test("a builder whose data folder is full says so, spends nothing and goes on once there is room", {
  skip: needsRoot,
}, async () => {
  const stage = current();
  const folder = "/home/builder/small";
  const root = async (script: string) => {
    const { status, stderr } = await stage.builder.run(["sh", "-c", script], { user: "root" });
    assert.equal(status, 0, stderr);
  };
  await root(`mkdir ${folder} && mount -t tmpfs -o size=3m,mode=700,uid=$(id -u builder) small ${folder}`);
  const serve = stage.builder.spawn(["drv-thru", "serve", "--relay", "none", "--data-dir", folder]);
  try {
    await serve.until(/drv-thru ticket create/);
    await root(`dd if=/dev/zero of=${folder}/fill bs=4096 count=2000 || true`);
    refused(await stage.admin("ticket", "create", "--data-dir", folder), 3, /the builder's disk is full/);
    await root(`rm ${folder}/fill`);
    assert.equal((await stage.admin("ticket", "create", "--data-dir", folder)).status, 0);
  } finally {
    await serve.signal("SIGTERM");
    await serve.ended;
    await root(`umount -l ${folder}`);
  }
  assert.equal((await serve.ended).status, 0);
});
