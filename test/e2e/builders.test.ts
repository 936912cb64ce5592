import assert from "node:assert/strict";
import { chownSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();
const config = "/home/builder/server.json";
const pins = "/home/guest/.local/state/drv-thru/signing-keys";

/** Writes a file on a host, for the owner of the home that it is in. */
function write(host: "builder" | "client", path: string, content: object | string): void {
  const at = current()[host];
  const file = at.outside(path);
  const home = path.startsWith("/home/") ? statSync(at.outside(path.split("/").slice(0, 3).join("/"))) : undefined;
  const missing: string[] = [];
  for (let folder = dirname(file); !statSync(folder, { throwIfNoEntry: false }); folder = dirname(folder))
    missing.push(folder);
  for (const folder of missing.reverse()) {
    mkdirSync(folder);
    if (home) chownSync(folder, home.uid, home.gid);
  }
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  if (home) chownSync(file, home.uid, home.gid);
}

async function clientId(...flags: string[]): Promise<string> {
  const { status, stdout, stderr } = await current().client.run(["drv-thru", "key", "show", ...flags]);
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

/** Starts the builder anew by a configuration file that trusts these clients, and says where it is. */
async function serveFor(clients: object): Promise<{ id: string; address: string }> {
  const stage = current();
  await stage.stopServe();
  trust(clients);
  await stage.startServeBy(config);
  const told = stage.serve.written();
  const [, id = ""] = /^builder +([0-9a-f]{64})$/m.exec(told) ?? [];
  const [, address = ""] = /^addresses +(\S+)/m.exec(told) ?? [];
  return { id, address };
}

function trust(clients: object): void {
  write("builder", config, {
    data_dir: "/home/builder/.local/state/drv-thru",
    relay: "none",
    max_concurrent_builds: 3,
    trusted_clients: clients,
  });
}

/** The builder has read its configuration again and says this. */
async function hangUp(said: RegExp): Promise<void> {
  const { serve } = current();
  await serve.signal("SIGHUP");
  await serve.until(said, "stderr");
}

let standing: Promise<{ id: string; address: string }> | undefined;

/** The builder runs by its configuration, which trusts the client, to whom the machine's builder file names it. */
function trusted(): Promise<{ id: string; address: string }> {
  standing ??= setUp();
  return standing;
}

async function setUp() {
  const where = await serveFor({
    alex: { public_key: await clientId(), max_build_time: "10m", max_upload_bytes: "1G" },
  });
  write("client", "/home/guest/lev.id", `${where.id}\n`);
  const lev = { endpoint_id_file: "/home/guest/lev.id", relay_url: null, addresses: [where.address] };
  write("client", "/etc/drv-thru/builders.json", { builders: { leviathan: lev } });
  return where;
}

test("a client that the builder's configuration trusts builds on a builder with a name, whose id is in a file", {
  skip,
}, async () => {
  await trusted();
  const stage = current();
  const { status, stdout, stderr } = await stage.build("", 'step "named" "echo > $out" { }', [
    "--builder",
    "leviathan",
  ]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^\/nix\/store\/.*-named\n$/);
  assert.match(stderr, /connected to builder [0-9a-f]{12} as client:alex/);
  assert.match(stderr, /^named built on leviathan$/m);
  const seen = await stage.client.run(["drv-thru", "status", "--builder", "leviathan"]);
  assert.match(seen.stdout, /client:alex/);
});

test("the user's entry counts instead of the machine's, and builder commands change only the user's file", {
  skip,
}, async () => {
  const where = await trusted();
  const { client } = current();
  const typed = (...args: string[]) => client.run(["drv-thru", "builder", ...args]);
  const wrong = "0".repeat(64);
  assert.equal((await typed("add", "leviathan", "--endpoint-id", wrong)).status, 0);
  assert.match((await typed("show", "leviathan")).stdout, new RegExp(`endpoint id +${wrong}`));
  assert.equal((await typed("remove", "leviathan")).status, 0);
  assert.match(
    (await typed("show", "leviathan")).stdout,
    new RegExp(`endpoint id +${where.id} \\(in /home/guest/lev.id\\)`),
  );
  assert.equal((await typed("remove", "leviathan")).status, 2);
});

test("an endpoint_id_file that is gone is an error with its path", { skip }, async () => {
  const where = await trusted();
  const stage = current();
  rmSync(stage.client.outside("/home/guest/lev.id"));
  const { status, stderr } = await stage.build("", 'step "no-id" "echo > $out" { }', ["--builder", "leviathan"]);
  write("client", "/home/guest/lev.id", where.id);
  assert.equal(status, 2);
  assert.match(stderr, /leviathan.*\/home\/guest\/lev\.id: there is no such file/);
});

test("several builds at once under one key, by --server, all succeed", { skip }, async () => {
  const where = await trusted();
  const stage = current();
  const target = ["--server", where.id, "--address", where.address];
  const ends = await Promise.all(
    [1, 2, 3].map(n => stage.build("", `step "at-once-${n}" "sleep 2; echo > $out" { }`, target)),
  );
  assert.deepEqual(
    ends.map(({ status }) => status),
    [0, 0, 0],
    ends.map(({ stderr }) => stderr).join("\n"),
  );
});

test("a ticket bound to a client needs that client's key too, and says so with this client's id", {
  skip,
}, async () => {
  await trusted();
  const stage = current();
  const other = await clientId("--key-file", "/home/guest/other.key");
  const ticket = await stage.ticket("--bind-client", other);
  const refused = await stage.build(ticket, 'step "bound" "echo > $out" { }');
  assert.equal(refused.status, 4, refused.stderr);
  assert.match(refused.stderr, /bound to another client/);
  assert.ok(refused.stderr.includes(await clientId()), refused.stderr);
  const taken = await stage.build(ticket, 'step "bound" "echo > $out" { }', ["--key-file", "/home/guest/other.key"]);
  assert.equal(taken.status, 0, taken.stderr);
});

test("a client that is not trusted is told its id, to send to the builder's owner", { skip }, async () => {
  const where = await trusted();
  const target = ["--server", where.id, "--address", where.address, "--key-file", "/home/guest/other.key"];
  const { status, stderr } = await current().build("", 'step "stranger" "echo > $out" { }', target);
  assert.equal(status, 4);
  assert.match(stderr, /error: the builder does not trust this client/);
  assert.ok(stderr.includes(await clientId("--key-file", "/home/guest/other.key")));
});

test("a client removed by SIGHUP is refused at once while its running build ends; a bad file changes nothing", {
  skip,
}, async () => {
  await trusted();
  const stage = current();
  const target = ["--builder", "leviathan"];
  const id = await clientId();
  const running = stage.start("", 'step "outlives" "echo at work; sleep 8; echo > $out" { }', target);
  await running.until(/at work/, "stderr");
  write("builder", config, "{ oops");
  await hangUp(/it is not JSON.*the old one stays in force/);
  trust({});
  await hangUp(/"removed":\["alex"\].*configuration read again/);
  const refused = await stage.build("", 'step "refused" "echo > $out" { }', target);
  assert.equal(refused.status, 4, refused.stderr);
  assert.match(refused.stderr, /does not trust this client/);
  const { status, stderr } = await running.ended;
  assert.equal(status, 0, stderr);
  trust({ alex: { public_key: id } });
  await hangUp(/"added":\["alex"\].*configuration read again/);
  const again = await stage.build("", 'step "again" "echo > $out" { }', target);
  assert.equal(again.status, 0, again.stderr);
});

test("a builder whose signing key has changed is refused until its new key is accepted on purpose", {
  skip,
}, async () => {
  const where = await trusted();
  const stage = current();
  const target = ["--server", where.id, "--address", where.address];
  const pin = join(pins, `${where.id}.key`);
  const known = readFileSync(stage.client.outside(pin), "utf8").trim();
  const folder = "/home/builder/.local/state/drv-thru";
  await stage.stopServe();
  for (const half of ["signing-secret.key", "signing-public.key"]) rmSync(stage.builder.outside(join(folder, half)));
  await stage.startServeBy(config);
  await stage.trustBuilder();
  assert.ok(!stage.serve.written().includes(known), "its key is another one");
  const { status, stderr } = await stage.build("", 'step "changed" "echo > $out" { }', target);
  assert.equal(status, 4, stderr);
  assert.ok(stderr.includes(known) && stderr.includes(`rm ${pin}`), stderr);
  rmSync(stage.client.outside(pin));
  const accepted = await stage.build("", 'step "changed" "echo > $out" { }', target);
  assert.equal(accepted.status, 0, accepted.stderr);
});
