import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Host } from "../hosts/host.ts";
import { type Hosts, makeHosts } from "../hosts/hosts.ts";
import type { Ended } from "../hosts/process.ts";
import { bringSteps } from "../hosts/steps.ts";
import { Systemd, whyNoSystemd } from "../hosts/systemd.ts";
import { until } from "../until.ts";

const contrib = join(import.meta.dirname, "../../contrib/systemd");
const skip = whyNoSystemd();
const BUILDER = "/run/drv-thru/builder.sock";
const HELPER = "/run/drv-thru/import-helper.sock";
let hosts: Hosts;
let onBuilder: Systemd;
let onClient: Systemd;

/** A unit of `contrib/systemd` as it is, but for where the program lies and where its log goes. */
function unit(name: string): string {
  const text = readFileSync(join(contrib, name), "utf8").replaceAll(
    "/usr/local/bin/drv-thru",
    "/drv-thru/scripts/drv-thru",
  );
  return name.endsWith(".service") ? `${text}\n[Service]\nStandardError=append:/var/log/${name}.log\n` : text;
}

const units = (...names: readonly string[]) => Object.fromEntries(names.map(name => [name, unit(name)]));
const ofBuilder = () => units("drv-thru.service", "drv-thru.socket");
const ofHelper = () => units("drv-thru-import-helper.service", "drv-thru-import-helper.socket");

/** Becomes a user with all the groups that the host gives them. */
const become = (user: string) => ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups"];

/** Runs `drv-thru` as a user. */
function as(where: Systemd, user: string, ...args: readonly string[]): Promise<Ended> {
  const home = `/home/${user}`;
  return where.run([...become(user), "drv-thru", ...args], { cwd: home, env: { HOME: home, USER: user } });
}

/** What runs without error as root. */
async function root(host: Host, ...argv: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await host.run(argv, { user: "root" });
  assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
  return stdout;
}

/** Does what docs/install.md says an administrator does, and lets one user into the group wheel. */
async function install(host: Host, member: string): Promise<void> {
  const files = "/drv-thru/contrib/systemd";
  await root(host, "systemd-sysusers", `${files}/sysusers.d/drv-thru.conf`);
  await root(host, "systemd-sysusers", "--inline", `m ${member} wheel`);
  await root(host, "systemd-tmpfiles", "--create", `${files}/tmpfiles.d/drv-thru.conf`);
  await root(host, "mkdir", "-p", "/etc/drv-thru");
}

/** Writes the builder's configuration: that of `contrib/systemd`, without a relay, and with these fields. */
function configure(host: Host, fields: object): void {
  const config = JSON.parse(readFileSync(join(contrib, "server.json"), "utf8"));
  writeFileSync(host.outside("/etc/drv-thru/server.json"), JSON.stringify({ ...config, relay: "none", ...fields }));
}

async function ticket(): Promise<string> {
  const { status, stdout, stderr } = await as(onBuilder, "owner", "ticket", "create");
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

async function untilAnswered(): Promise<void> {
  await until("the builder answers", async () => (await as(onBuilder, "owner", "status")).status === 0);
}

/** Builds something new. */
async function build(user: string, name: string): Promise<Ended> {
  const expression = `with import ./steps.nix; step "${name}" "echo ${name} > $out" { }`;
  const flags = ["--impure", "--no-link", "--expr", expression, "--ticket", await ticket()];
  return await as(onClient, user, "build", ...flags);
}

before(async () => {
  if (skip) return;
  const users = { builder: { users: ["owner", "other"] }, client: { users: ["guest", "stranger"] } };
  hosts = await makeHosts(users);
  const { builder, client } = hosts;
  await Promise.all([install(builder, "owner"), install(client, "guest")]);
  configure(builder, {});
  for (const user of users.client.users) bringSteps(client, user, builder.sandboxed);
  writeFileSync(builder.outside("/etc/drv-thru/trusted-builders"), "# nobody\n");
  const wanted = ["drv-thru-import-helper.socket"];
  onBuilder = await Systemd.start(builder, { ...ofBuilder(), ...ofHelper() }, ["drv-thru.service", ...wanted]);
  await untilAnswered();
  const key = await root(builder, "cat", "/var/lib/drv-thru/signing-public.key");
  writeFileSync(client.outside("/etc/drv-thru/trusted-builders"), key);
  onClient = await Systemd.start(client, ofHelper(), wanted);
});

after(async () => {
  await onClient?.[Symbol.asyncDispose]();
  await onBuilder?.[Symbol.asyncDispose]();
  await hosts?.stop();
});

test("a member of wheel administers the builder, and nobody else", { skip }, async () => {
  assert.match(await ticket(), /^drvthru/);
  const { status, stderr } = await as(onBuilder, "other", "ticket", "create");
  assert.equal(status, 4, stderr);
  assert.match(stderr, /as root or as a member of the group wheel/);
});

test("the builder's keys are its user's alone", { skip }, async () => {
  for (const name of ["secret.key", "signing-secret.key"]) {
    const read = [...become("owner"), "cat", `/var/lib/drv-thru/${name}`];
    assert.notEqual((await hosts.builder.run(read, { user: "root" })).status, 0, name);
    assert.equal(await root(hosts.builder, "stat", "-c", "%U %a", `/var/lib/drv-thru/${name}`), "drv-thru 600\n");
  }
  assert.equal(await root(hosts.builder, "stat", "-c", "%U %a", "/var/lib/drv-thru"), "drv-thru 700\n");
});

test("the sockets are root's and the group's, in a folder that belongs to neither service", { skip }, async () => {
  const seen = await root(hosts.builder, "stat", "-c", "%U:%G %a", "/run/drv-thru", BUILDER, HELPER);
  assert.equal(seen, "root:root 755\nroot:wheel 660\nroot:wheel 660\n");
});

test("the builder runs as its own user, without privileges, behind a filter of system calls", { skip }, async () => {
  const { stdout } = await onBuilder.control("show", "--property=MainPID", "--value", "drv-thru.service");
  // The process as the host knows it, which sees those of the systemd within.
  const pids = (await root(hosts.builder, "pgrep", "-u", "drv-thru", "-f", "serve --config")).trim().split("\n");
  assert.ok(Number(stdout) > 0 && pids.length === 1, stdout);
  const status = await root(hosts.builder, "cat", `/proc/${pids[0]}/status`);
  for (const line of [/^CapEff:\s0+$/m, /^CapBnd:\s0+$/m, /^NoNewPrivs:\s1$/m, /^Seccomp:\s2$/m])
    assert.match(status, line);
  // A filter that each of several settings brings says nothing of which calls pass.
  const shown = await onBuilder.control("show", "--property=SystemCallFilter", "--value", "drv-thru.service");
  const calls = new Set(shown.stdout.trim().split(/\s+/));
  for (const call of ["read", "sendmsg"]) assert.ok(calls.has(call), `${call} passes: ${shown.stdout}`);
  for (const call of ["mount", "setuid", "ptrace", "reboot", "bpf"]) assert.ok(!calls.has(call), `${call} does not`);
});

test("somebody whom Nix does not trust builds on it, and imports through the helper, whose log names them", {
  skip,
}, async () => {
  const { status, stdout, stderr } = await build("guest", "helped");
  assert.equal(status, 0, stderr);
  assert.equal(await root(hosts.client, "cat", stdout.trim()), "helped\n");
  const log = readFileSync(hosts.client.outside("/var/log/drv-thru-import-helper.service.log"), "utf8");
  const imported = log.split("\n").find(line => line.includes('"imported"')) ?? log;
  const { uid } = statSync(hosts.client.outside("/home/guest"));
  assert.equal(JSON.parse(imported).uid, uid);
});

test("who is not in the group is refused before anything is uploaded", { skip }, async () => {
  const { status, stderr } = await build("stranger", "refused");
  assert.equal(status, 4, stderr);
  assert.match(stderr, /usermod -aG wheel stranger/);
});

test("a changed configuration counts after a reload, in the same process", { skip }, async () => {
  const shown = () => onBuilder.control("show", "--property=MainPID", "--value", "drv-thru.service");
  const { stdout: pid } = await shown();
  configure(hosts.builder, { max_concurrent_builds: 3 });
  assert.equal((await onBuilder.control("reload", "drv-thru.service")).status, 0);
  const status = async () => (await as(onBuilder, "owner", "status")).stdout;
  await until("three slots count", async () => (await status()).includes("0/3"));
  assert.equal((await shown()).stdout, pid);
});

test("a builder that is killed comes back by itself, and its socket with it", { skip }, async () => {
  const shown = async () =>
    (await onBuilder.control("show", "--property=MainPID", "--value", "drv-thru.service")).stdout;
  const pid = await shown();
  assert.equal((await onBuilder.control("kill", "--signal=KILL", "drv-thru.service")).status, 0);
  // Seconds pass before systemd starts it again; a socket that nobody serves answers nothing meanwhile.
  while ((await shown()) === pid || (await as(onBuilder, "owner", "status")).status !== 0) {
    await new Promise(resolve => setTimeout(resolve, 500));
  }
  assert.match(await ticket(), /^drvthru/);
});

test("a stopped builder leaves the helper's socket, is not started by asking, and comes back with its keys", {
  skip,
}, async () => {
  const inside = (path: string) => hosts.builder.run(["test", "-e", path], { user: "root" });
  const key = readFileSync(hosts.builder.outside("/var/lib/drv-thru/secret.key"));
  assert.equal((await onBuilder.control("stop", "drv-thru.service")).status, 0);
  assert.deepEqual([(await inside(BUILDER)).status, (await inside(HELPER)).status], [1, 0]);
  assert.equal((await as(onBuilder, "owner", "status")).status, 3);
  assert.equal((await onBuilder.control("is-active", "drv-thru.service")).stdout.trim(), "inactive");
  assert.equal((await onBuilder.control("start", "drv-thru.service")).status, 0);
  await untilAnswered();
  assert.deepEqual(readFileSync(hosts.builder.outside("/var/lib/drv-thru/secret.key")), key);
  assert.ok(existsSync(hosts.builder.outside("/var/lib/drv-thru/signing-public.key")));
});

test("a stopped import helper leaves the builder's socket", { skip }, async () => {
  const socket = (path: string) => hosts.builder.run(["test", "-S", path], { user: "root" });
  const units = ["drv-thru-import-helper.socket", "drv-thru-import-helper.service"];
  assert.equal((await onBuilder.control("stop", ...units)).status, 0);
  assert.deepEqual([(await socket(BUILDER)).status, (await socket(HELPER)).status], [0, 1]);
  await untilAnswered();
});
