import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "../../src/lib/failure.ts";
import { parseConfig, readConfig } from "../../src/server/config.ts";
import { configFromFlags } from "../../src/server/config-flags.ts";

const alex = "a1".repeat(32);
const full = {
  data_dir: "/var/lib/drv-thru",
  secret_key_file: "/run/secrets/iroh.key",
  max_concurrent_builds: 3,
  output_cache_max_parallel_fills: 4,
  output_cache_max_bytes: "50G",
  recent_builds_limit: 5,
  trusted_clients: { alex: { public_key: alex, max_build_time: "2h", max_upload_bytes: "5 GiB" } },
  relay: "https://relay.example.org",
  bind: ["0.0.0.0:4433", "::1"],
  advertise: ["192.0.2.1:4433"],
};

test("every field of a configuration is read", () => {
  const { trustedClients, ...rest } = parse(full);
  assert.deepEqual(rest, {
    dataFolder: "/var/lib/drv-thru",
    secretKeyFile: "/run/secrets/iroh.key",
    maxConcurrentBuilds: 3,
    outputCacheMaxParallelFills: 4,
    outputCacheMaxBytes: 50 * 2 ** 30,
    recentBuildsLimit: 5,
    relay: "https://relay.example.org",
    bind: full.bind,
    advertise: full.advertise,
  });
  assert.deepEqual(
    [...trustedClients.values()],
    [{ id: alex, name: "alex", maxBuildSeconds: 7200, maxUploadBytes: 5 * 2 ** 30 }],
  );
});

test("null means not set, and no limit for a trusted client and the cache; absent means the default", () => {
  const nulls = Object.fromEntries(Object.keys(full).map(key => [key, key === "data_dir" ? "data" : null]));
  const { trustedClients, ...rest } = parse(nulls);
  assert.deepEqual(rest, {
    dataFolder: "/etc/drv-thru/data",
    secretKeyFile: undefined,
    maxConcurrentBuilds: 1,
    outputCacheMaxParallelFills: undefined,
    outputCacheMaxBytes: null,
    recentBuildsLimit: 20,
    relay: "default",
    bind: [],
    advertise: [],
  });
  assert.equal(trustedClients.size, 0);
  assert.equal(parse({ data_dir: "/d" }).outputCacheMaxBytes, undefined);
  for (const [limits, maxBuildSeconds, maxUploadBytes] of [
    [{}, 1800, 20 * 2 ** 30],
    [{ max_build_time: null }, undefined, 20 * 2 ** 30],
    [{ max_upload_bytes: null }, 1800, undefined],
  ] as const) {
    const trusted = { alex: { public_key: alex, ...limits } };
    const [client] = parse({ data_dir: "/d", trusted_clients: trusted }).trustedClients.values();
    assert.deepEqual(client, { id: alex, name: "alex", maxBuildSeconds, maxUploadBytes });
  }
});

test("what is wrong in a configuration is named with its field", () => {
  const wrong: [object, RegExp][] = [
    [{ data_dir: undefined }, /data_dir is missing/],
    [{ data_dir: "" }, /data_dir: must not be empty/],
    [{ frob: 1 }, /frob is not a field; there are data_dir, secret_key_file, max_concurrent_builds, /],
    [{ max_concurrent_builds: 0 }, /max_concurrent_builds: must be a whole number above 0, not 0$/],
    [{ max_concurrent_builds: 1.5 }, /max_concurrent_builds: must be a whole number above 0, not 1.5$/],
    [{ max_concurrent_builds: "2" }, /max_concurrent_builds: must be a whole number above 0, not "2"$/],
    [{ trusted_clients: { alex: { public_key: "x" } } }, /alex.public_key: must be 64 hex digits: .*, not "x"$/],
    [{ trusted_clients: { alex: { public_key: alex, key: 1 } } }, /alex.key is not a field; there are public_key, /],
    [{ bind: "0.0.0.0" }, /bind: must be a list of texts, not "0.0.0.0"$/],
    [{ data_dir: 5 }, /data_dir/],
    [{ max_concurrent_builds: 0 }, /max_concurrent_builds: must be .* above 0/],
    [{ max_concurrent_builds: 1.5 }, /max_concurrent_builds/],
    [{ output_cache_max_parallel_fills: 0 }, /output_cache_max_parallel_fills/],
    [{ output_cache_max_parallel_fills: 1025 }, /output_cache_max_parallel_fills: must be 1 to 1024/],
    [{ recent_builds_limit: 0 }, /recent_builds_limit/],
    [{ recent_builds_limit: 10_001 }, /recent_builds_limit: must be 1 to 10000/],
    [{ colour: "red" }, /colour is not a field/],
    [{ relay: "ftp://x" }, /relay: must be default, none or a URL/],
    [{ bind: ["host:1"] }, /bind.0: must be IP/],
    [
      { bind: ["127.0.0.1", "[::1]:1", "127.0.0.2:1"] },
      /bind: there is more than one address of a family: .* at most$/,
    ],
    [{ advertise: ["192.0.2.1"] }, /advertise.0: must be IP:PORT/],
    [client({ public_key: "abc" }), /trusted_clients.alex.public_key: must be 64 hex/],
    [client({ public_key: undefined }), /trusted_clients.alex.public_key is missing/],
    [client({ max_build_time: "5 parsecs" }), /trusted_clients.alex.max_build_time: "5 parsecs" is not a duration/],
    [client({ max_build_time: "0" }), /trusted_clients.alex.max_build_time: a duration of 0/],
    [client({ max_upload_bytes: "9999999t" }), /trusted_clients.alex.max_upload_bytes: .* too large/],
    [client({ limit: 1 }), /trusted_clients.alex.limit is not a field/],
    [
      { trusted_clients: { a: { public_key: alex }, b: { public_key: alex } } },
      /trusted_clients.b.public_key is also that of a/,
    ],
    [{ trusted_clients: { "a\u001bb": { public_key: alex } } }, /control characters/],
  ];
  for (const [change, message] of wrong)
    assert.throws(() => parse({ ...full, ...change }), isUsage(message), `${message}`);
});

test("a configuration that is no JSON, no object, or not there is named with its file", () => {
  for (const text of ["", "{", "[]", "null", "5"])
    assert.throws(() => parseConfig(text, "/etc/x.json"), isUsage(/\/etc\/x\.json/), text);
  assert.throws(() => readConfig("/nonexistent/x.json"), isUsage(/\/nonexistent\/x\.json/));
});

test("clients trusted by a flag get half an hour and 20 GiB", () => {
  const config = configFromFlags({ dataFolder: "/d", trustedClients: [alex] });
  const [client] = config.trustedClients.values();
  assert.deepEqual(client, { id: alex, name: undefined, maxBuildSeconds: 1800, maxUploadBytes: 20 * 2 ** 30 });
  assert.throws(() => configFromFlags({ dataFolder: "/d", trustedClients: ["x"] }), isUsage(/--trusted-client "x"/));
  assert.throws(() => configFromFlags({ dataFolder: "/d", relay: "x" }), isUsage(/--relay "x"/));
  assert.throws(() => configFromFlags({ dataFolder: "/d", bind: ["x"] }), isUsage(/--bind "x"/));
  assert.throws(() => configFromFlags({ dataFolder: "/d", advertise: ["x"] }), isUsage(/--advertise "x"/));
});

test("the id of a client may be in upper case, and have blanks around it", () => {
  const typed = ` ${alex.toUpperCase()} `;
  for (const { trustedClients } of [
    configFromFlags({ dataFolder: "/d", trustedClients: [typed] }),
    parse({ ...full, ...client({ public_key: typed }) }),
  ]) {
    assert.deepEqual([...trustedClients.keys()], [alex]);
  }
});

function client(change: object): object {
  return { trusted_clients: { alex: { public_key: alex, ...change } } };
}

function parse(fields: object) {
  return parseConfig(JSON.stringify(fields), "/etc/drv-thru/server.json");
}

function isUsage(message: RegExp): (error: unknown) => boolean {
  return error => error instanceof Failure && error.code === "usage" && message.test(error.message);
}
