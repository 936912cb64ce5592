import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "@connectrpc/connect";
import { pino } from "pino";
import { Status } from "../../gen/drvthru/v1/status_pb.js";
import { Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import { run } from "../../src/cli/main.ts";
import { configFromFlags } from "../../src/server/config-flags.ts";
import { type Builder, startBuilder } from "../../src/server/serve.ts";
import { idOfSecret } from "../../src/tickets/proof.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { unixSession } from "../../src/transport/unix.ts";
import { testIo } from "../cli/io.ts";
import { whyNoNix } from "../hosts/can.ts";

const skip = whyNoNix();

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-serve-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function start(t: TestContext, dataFolder: string, bind = ["127.0.0.1"]): Promise<Builder> {
  const config = configFromFlags({ dataFolder, relay: "none", bind });
  const drain = { builds: 1_000, fetches: 0 };
  const builder = await startBuilder({ config, drain, log: pino({ level: "silent" }) });
  t.after(() => builder.stop(AbortSignal.abort()));
  return builder;
}

test("a builder starts, answers its administrator on a private socket, and stops", { skip }, async t => {
  const folder = folderOf(t);
  const builder = await start(t, folder);
  const { socketPath, signingKey, endpointId } = builder.info();
  assert.equal(statSync(socketPath).mode & 0o777, 0o600);
  const session = unixSession(socketPath);
  const transport = connectTransport(session);
  const made = await createClient(Tickets, transport).create({
    name: "t",
    expiresSeconds: 60n,
    uses: 1n,
    maxBuildSeconds: 60n,
    maxUploadBytes: 1n,
  });
  assert.match(made.ticket, /^drvthru/);
  const { status } = await createClient(Status, transport).get({});
  assert.equal(Buffer.from(status?.endpointId ?? []).toString("hex"), endpointId);
  assert.match(signingKey, /^drv-thru-[0-9a-f]{8}:/);
  await session.close();
  await builder.stop();
  assert.throws(() => statSync(socketPath), { code: "ENOENT" });
});

test("serve says where it is reached and what signs its outputs, and how to hand out a ticket", { skip }, async t => {
  const folder = folderOf(t);
  const program = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));
  const flags = ["--data-dir", folder, "--relay", "none", "--bind", "127.0.0.1"];
  const child = spawn(process.execPath, [program, "serve", ...flags], { stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => child.kill("SIGKILL"));
  const [said] = await once(child.stdout, "data");
  const key = readFileSync(join(folder, "signing-public.key"), "utf8").trim();
  const rows = new Map(
    String(said)
      .split("\n")
      .map(line => line.split(/ {2,}/, 2) as [string, string]),
  );
  assert.match(rows.get("builder") ?? "", /^[0-9a-f]{64}$/);
  assert.match(rows.get("addresses") ?? "", /^127\.0\.0\.1:\d+$/);
  assert.deepEqual([rows.get("signing key"), rows.get("relay"), rows.get("data folder")], [key, "none", folder]);
  assert.match(String(said), /\n\nHand out a ticket:\n {2}drv-thru ticket create\n$/);
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("a data folder of the earlier program is taken over: its ids and keys stay, its tickets are not read", {
  skip,
}, async t => {
  const folder = folderOf(t);
  // As the earlier program made it: a raw Iroh secret, a pair that Nix could have made, its tickets, and a folder that its group may write.
  const seed = Buffer.alloc(32, 9);
  writeFileSync(join(folder, "secret.key"), seed, { mode: 0o600 });
  const [secret, shown] = [join(folder, "signing-secret.key"), join(folder, "signing-public.key")];
  execFileSync("nix-store", ["--generate-binary-cache-key", "drv-thru", secret, shown]);
  chmodSync(shown, 0o644);
  writeFileSync(join(folder, "tickets.json"), '{"tickets":[]}', { mode: 0o660 });
  mkdirSync(join(folder, "cache"));
  chmodSync(folder, 0o2770);
  const logged: string[] = [];
  const config = configFromFlags({ dataFolder: folder, relay: "none", bind: ["127.0.0.1"] });
  const begin = () => startBuilder({ config, log: pino({}, { write: line => void logged.push(line) }) });
  const closed = await begin().then(
    () => assert.fail("others may write there"),
    error => error,
  );
  execFileSync("sh", ["-c", closed.fix]);
  const before = ["secret.key", "signing-secret.key", "signing-public.key"].map(name =>
    readFileSync(join(folder, name)),
  );
  const builder = await begin();
  t.after(() => builder.stop(AbortSignal.abort()));
  const { endpointId, signingKey } = builder.info();
  assert.equal(endpointId, idOfSecret(seed));
  assert.equal(signingKey, readFileSync(shown, "utf8").trim());
  assert.match(signingKey, /^drv-thru:/);
  assert.equal(logged.filter(line => line.includes("tickets.json is of an earlier version and is not read")).length, 1);
  const after = ["secret.key", "signing-secret.key", "signing-public.key"].map(name =>
    readFileSync(join(folder, name)),
  );
  assert.deepEqual(after, before);
});

test("a builder without tickets says so, with nothing on stdout", { skip }, async t => {
  const folder = folderOf(t);
  await start(t, folder);
  const world = testIo();
  assert.equal(await run(["ticket", "list", "--data-dir", folder], world.io), 0);
  assert.deepEqual([world.stdout(), world.stderr()], ["", "no tickets\n\ndrv-thru ticket create\n"]);
});

test("a second builder on the same data folder is refused", { skip }, async t => {
  const folder = folderOf(t);
  await start(t, folder);
  await assert.rejects(start(t, folder), /held by another drv-thru serve/);
});

/** Runs `drv-thru serve` in a process of its own until it says what it is, then ends it. */
async function served(dataFolder: string, bind: string): Promise<{ endpointId: string; addresses: string[] }> {
  const flags = ["--data-dir", dataFolder, "--relay", "none", "--bind", bind, "--json"];
  const program = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));
  const child = spawn(process.execPath, [program, "serve", ...flags], { stdio: ["ignore", "pipe", "ignore"] });
  const [line] = await once(child.stdout, "data");
  child.kill("SIGTERM");
  await once(child, "exit");
  return JSON.parse(String(line));
}

test("a restart keeps id, signing key and address", { skip }, async t => {
  const folder = folderOf(t);
  const before = await served(folder, "127.0.0.1");
  assert.deepEqual(await served(folder, "127.0.0.1"), before);
});

test("SIGHUP reads the configuration again, and a bad one does not end the builder", { skip }, async t => {
  const folder = folderOf(t);
  const file = join(folder, "server.json");
  const write = (more: object) =>
    writeFileSync(file, JSON.stringify({ data_dir: "data", relay: "none", bind: ["127.0.0.1"], ...more }));
  write({});
  const program = fileURLToPath(new URL("../../src/bin.ts", import.meta.url));
  const child = spawn(process.execPath, [program, "serve", "--config", file], { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill("SIGKILL"));
  const log = createInterface(child.stderr)[Symbol.asyncIterator]();
  await once(child.stdout, "data");
  const told = async () => {
    child.kill("SIGHUP");
    for (;;) {
      const { value = "", done } = await log.next();
      assert.ok(!done, "it ended");
      if (value.includes("configuration")) return value;
    }
  };
  write({ trusted_clients: { alex: { public_key: "a1".repeat(32) } } });
  assert.match(await told(), /"added":\["alex"\].*configuration read again/);
  write({ bind: ["here"] });
  assert.match(await told(), /bind.0: must be IP or IP:PORT.*the old one stays in force/);
  write({ max_concurrent_builds: 2 });
  assert.match(await told(), /configuration read again/);
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("a kept port that somebody else has taken is an error that says how to choose another", { skip }, async t => {
  const folder = folderOf(t);
  const { addresses } = await served(folder, "127.0.0.1");
  const taken = createSocket("udp4");
  t.after(() => taken.close());
  taken.bind(Number(addresses[0]?.split(":")[1]), "127.0.0.1");
  await once(taken, "listening");
  await assert.rejects(start(t, folder), { reason: "address-in-use", fix: /--bind/ });
});
