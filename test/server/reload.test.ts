import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import type { ClientId } from "../../src/lib/ids.ts";
import { readConfig } from "../../src/server/config.ts";
import { ConfigReload } from "../../src/server/config-reload.ts";
import { derivation, type MadeDerivation } from "../fakes/make-path.ts";
import { begin, open, outcomeOf, randomId, refused, until } from "./calls.ts";
import { type World, world } from "./world.ts";

const alex = randomId<ClientId>();
const blake = randomId<ClientId>();

/** A builder that runs by a configuration file which can be changed. */
async function configured(t: TestContext, fields: object) {
  const builder = await world(t);
  const file = join(builder.folder, "server.json");
  const write = (content: object | string) =>
    writeFileSync(file, typeof content === "string" ? content : JSON.stringify({ data_dir: "data", ...content }));
  write(fields);
  const config = readConfig(file);
  for (const [id, client] of config.trustedClients) builder.trustedClients.set(id, client);
  const logged: string[] = [];
  const log = pino({ level: "debug" }, { write: line => void logged.push(line) });
  const { trustedClients, limits, services } = builder;
  const reload = new ConfigReload({ config, trustedClients, limits, services, log });
  const change = async (content: object | string) => {
    write(content);
    logged.length = 0;
    await reload.from(file);
    return logged.join("");
  };
  return { builder, change };
}

/** A derivation whose build ends when the returned function is called. */
function held({ nix }: World, name: string): { drv: MadeDerivation; finish: () => void } {
  const drv = derivation({ name });
  const gate = Promise.withResolvers<void>();
  nix.script(drv.info.path, async ({ signal, log }) => {
    log(`building ${name}`);
    await Promise.race([gate.promise, new Promise((_, reject) => signal.addEventListener("abort", reject))]);
    return undefined;
  });
  return { drv, finish: gate.resolve };
}

const both = { trusted_clients: { alex: { public_key: alex }, blake: { public_key: blake } } };

test("a client that the configuration no longer names is refused new builds at once, on the connection it has", async t => {
  const { builder, change } = await configured(t, both);
  const guest = builder.trusted(alex);
  await open(guest, [derivation({ name: "before" })]);
  const told = await change({ trusted_clients: { blake: { public_key: blake } } });
  assert.match(told, /"removed":\["alex"\]/);
  assert.equal(await refused(open(guest, [derivation({ name: "after" })])), "CLIENT_NOT_TRUSTED");
  await open(builder.trusted(blake), [derivation({ name: "other" })]);
});

test("a running build of a client that is removed may end and be fetched; one that waits is ended", async t => {
  const { builder, change } = await configured(t, both);
  const guest = builder.trusted(alex);
  const running = held(builder, "running");
  const waiting = held(builder, "waiting");
  const first = await begin(guest, [running.drv]);
  await until(guest, first, "logLine");
  const second = await begin(guest, [waiting.drv]);
  await change({});
  assert.equal(await outcomeOf(guest, second), "CANCELLED");
  running.finish();
  assert.equal(await outcomeOf(guest, first), "BUILT");
});

test("a client that the configuration adds may build at once, and changed limits hold for its next build", async t => {
  const { builder, change } = await configured(t, {});
  const guest = builder.trusted(alex);
  assert.equal(await refused(open(guest, [derivation({ name: "early" })])), "CLIENT_NOT_TRUSTED");
  assert.match(await change(both), /"added":\["alex","blake"\]/);
  await open(guest, [derivation({ name: "now" })]);
  assert.equal(builder.services.builds.live[0]?.maxBuildSeconds, 1800);
  await change({ trusted_clients: { alex: { public_key: alex, max_build_time: "7s", max_upload_bytes: null } } });
  await open(guest, [derivation({ name: "shorter" })]);
  assert.equal(builder.services.builds.live[1]?.maxBuildSeconds, 7);
});

test("a configuration that cannot be used keeps the old one in force, and the log says why", async t => {
  const { builder, change } = await configured(t, both);
  const wrong = { alex: { public_key: alex, max_build_time: "soon" } };
  for (const [content, why] of [
    ["{", /it is not JSON/],
    [{ trusted_clients: wrong }, /trusted_clients.alex.max_build_time.*soon.*is not a duration/],
    [{ frob: 1 }, /frob is not a field/],
    [{ max_concurrent_builds: 0 }, /max_concurrent_builds: must be a whole number above 0/],
  ] as const) {
    const told = await change(content);
    assert.match(told, why);
    assert.match(told, /the old one stays in force/);
  }
  await open(builder.trusted(alex), [derivation({ name: "still" })]);
});

test("more slots count at once: what waited begins", async t => {
  const { builder, change } = await configured(t, both);
  const guest = builder.trusted(alex);
  const [one, two] = [held(builder, "one"), held(builder, "two")];
  const [first, second] = [await begin(guest, [one.drv]), await begin(guest, [two.drv])];
  await until(guest, first, "logLine");
  assert.equal((await guest.status.get({})).status?.queuedCount, 1);
  assert.match(await change({ ...both, max_concurrent_builds: 2 }), /"atOnce":\["max_concurrent_builds"\]/);
  await until(guest, second, "logLine");
  const { status } = await guest.status.get({});
  assert.deepEqual([status?.activeCount, status?.maxConcurrentBuilds], [2, 2]);
  for (const build of [one, two]) build.finish();
});

test("the log names the fields that count from the next start on, until they are as they were", async t => {
  const { change } = await configured(t, {});
  const atNextStart = {
    data_dir: "elsewhere",
    secret_key_file: "k",
    output_cache_max_parallel_fills: 3,
    output_cache_max_bytes: "1G",
    relay: "none",
    bind: ["127.0.0.1"],
    advertise: ["192.0.2.1:4433"],
  };
  const told = await change({ ...atNextStart, max_concurrent_builds: 2, recent_builds_limit: 3 });
  assert.match(told, /"atOnce":\["max_concurrent_builds","recent_builds_limit"\]/);
  const [, named] = /"fields":\[([^\]]*)\].*restart/.exec(told) ?? [];
  assert.equal(
    named,
    Object.keys(atNextStart)
      .map(field => `"${field}"`)
      .join(),
  );
  assert.match(await change({ relay: "none" }), /"fields":\["relay"\]/);
  assert.doesNotMatch(await change({}), /restart/);
});
