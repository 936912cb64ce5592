import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../src/server/config.ts";
import { machine, unitText } from "./machine.ts";
import { whyNoEvaluation } from "./nix.ts";

const skip = whyNoEvaluation();
const ID = "11".repeat(32);

/** The text of a file that the module is to make. */
function expected(name: string): string {
  return readFileSync(join(import.meta.dirname, "expected", name), "utf8");
}

test("a machine that sets nothing gets nothing", { skip }, () => {
  const { etc, units, systemPackages, users, groups, tmpfiles, sessionVariables, settings } = machine("{ }");
  assert.deepEqual({ etc, units, users, groups, sessionVariables }, emptyMachine);
  assert.deepEqual([systemPackages, tmpfiles], [[], []]);
  assert.deepEqual(settings["trusted-public-keys"], ["cache.nixos.org-1:stands-first"]);
});

const emptyMachine = { etc: {}, units: {}, users: {}, groups: {}, sessionVariables: {} };

test("every option has the described name, type and default, and says what it is", { skip }, () => {
  const { options } = machine("{ }");
  const shown = options.map(({ name, type, default: value }) => {
    return `${name.replace("services.drv-thru.", "")} | ${type} | ${value ?? "none"}`;
  });
  assert.equal(`${shown.sort().join("\n")}\n`, expected("options.txt"));
  assert.deepEqual(
    options.filter(({ description }) => !/\w.*\.$/s.test(description.trim())).map(({ name }) => name),
    [],
  );
});

test("the documentation lists every option with its default", { skip }, () => {
  const docs = readFileSync(join(import.meta.dirname, "../../docs/install.md"), "utf8");
  const rows = docs.split("\n").filter(line => /^\| `(package|server|client)/.test(line));
  for (const { name, default: value } of machine("{ }").options) {
    const leaf = name.split(".").at(-1) ?? "";
    const group = name.split(".")[2] ?? "";
    const row = rows.find(line => line.startsWith(`| \`${group}`) && line.split("|")[1]?.includes(`${leaf}\``));
    // A set of submodules has a row for each of its options.
    if (row === undefined && rows.some(line => line.includes(`.${leaf}.NAME`))) continue;
    assert.ok(row, name);
    if (value !== null && !/config\.|inputs\./.test(value))
      assert.ok(row.includes(`| \`${value}\` |`), `${name}: ${row}`);
  }
});

const wrongValues: readonly [option: string, value: string][] = [
  ["server.maxConcurrentBuilds", "0"],
  ["server.recentBuildsLimit", "0"],
  ["server.outputCacheMaxParallelFills", "0"],
  ["client.narFetches", "0"],
  ["server.dataDir", "null"],
  ["server.trustedClients.alex", "{ publicKey = null; }"],
  ["client.ticketHelper.trustedBuilderPublicKeys", '"one:key"'],
  ["server.relay_url", '"an option that does not exist"'],
];
test("a value that an option does not take is an error", { skip }, () => {
  const enable = "services.drv-thru.server.enable = true; services.drv-thru.client.enable = true;";
  for (const [option, value] of wrongValues) {
    const config = `{ ${enable} services.drv-thru.${option} = ${value}; }`;
    assert.throws(() => machine(config), /services\.drv-thru/, option);
  }
});

test("a builder with nothing but enable gets its unit, socket and configuration", { skip }, () => {
  const { failed, etc, units, tmpfiles, systemPackages } = machine("{ services.drv-thru.server.enable = true; }");
  assert.deepEqual(failed, []);
  assert.deepEqual(Object.keys(units).sort(), ["drv-thru.service", "drv-thru.socket"]);
  for (const [name, unit] of Object.entries(units)) assert.equal(unitText(unit), expected(name));
  assert.deepEqual(Object.keys(etc), ["drv-thru/server.json"]);
  assert.deepEqual(JSON.parse(etc["drv-thru/server.json"] ?? ""), {
    data_dir: "/var/lib/drv-thru",
    secret_key_file: "/var/lib/drv-thru/secret.key",
    max_concurrent_builds: 1,
    recent_builds_limit: 20,
    trusted_clients: {},
  });
  assert.deepEqual(tmpfiles, ["d /run/drv-thru 0755 root root -"]);
  assert.equal(systemPackages.length, 1);
});

test("the builder's user is an ordinary one without a home", { skip }, () => {
  const { users, groups, settings } = machine("{ services.drv-thru.server.enable = true; }");
  assert.deepEqual(users, {
    "drv-thru": { isSystemUser: true, group: "drv-thru", description: "drv-thru builder" },
  });
  assert.deepEqual(groups, { "drv-thru": {} });
  assert.deepEqual(settings["trusted-users"], ["root"]);
  assert.deepEqual(settings["allowed-users"], ["*"]);
});

test("every option of the builder reaches its configuration, which serve takes", { skip }, () => {
  const { etc } = machine(`{
    services.drv-thru.server = {
      enable = true;
      dataDir = "/srv/builder";
      maxConcurrentBuilds = 3;
      outputCacheMaxParallelFills = 4;
      recentBuildsLimit = 50;
      trustedClients.alex = { publicKey = "${ID}"; maxBuildTime = "1h"; maxUploadBytes = "5G"; };
      trustedClients.kim.publicKey = "${"22".repeat(32)}";
      settings.relay = "none";
    };
  }`);
  const config = parseConfig(etc["drv-thru/server.json"] ?? "", "/etc/drv-thru/server.json");
  const { dataFolder, secretKeyFile, maxConcurrentBuilds, outputCacheMaxParallelFills, recentBuildsLimit } = config;
  assert.deepEqual(
    [dataFolder, secretKeyFile, maxConcurrentBuilds, outputCacheMaxParallelFills, recentBuildsLimit, config.relay],
    ["/srv/builder", "/srv/builder/secret.key", 3, 4, 50, "none"],
  );
  const limits = [...config.trustedClients.values()].map(one => [one.name, one.maxBuildSeconds, one.maxUploadBytes]);
  assert.deepEqual(limits, [
    ["alex", 3600, 5 * 2 ** 30],
    ["kim", 1800, 20 * 2 ** 30],
  ]);
});

test("a changed configuration reloads the builder, and does not restart it", { skip }, () => {
  const of = (limit: number) =>
    machine(`{ services.drv-thru.server = { enable = true; recentBuildsLimit = ${limit}; }; }`).units[
      "drv-thru.service"
    ];
  const [before, after] = [of(20), of(21)];
  assert.notDeepEqual(before?.reloadTriggers, after?.reloadTriggers);
  assert.deepEqual({ ...before, reloadTriggers: [] }, { ...after, reloadTriggers: [] });
  assert.match(String(before?.serviceConfig["ExecReload"]), /\/bin\/kill -HUP \$MAINPID$/);
});

test("a setting that a running builder does not take over restarts it", { skip }, () => {
  const of = (setting: string) =>
    machine(`{ services.drv-thru.server = { enable = true; ${setting} }; }`).units["drv-thru.service"]?.restartTriggers;
  const before = of("");
  assert.deepEqual(of("maxConcurrentBuilds = 2;"), before);
  for (const setting of [
    'settings.relay = "none";',
    'dataDir = "/srv/x";',
    'secretKeyFile = "/srv/y";',
    "outputCacheMaxParallelFills = 3;",
  ]) {
    assert.notDeepEqual(of(setting), before, setting);
  }
});

test("the data folder may be elsewhere, in a home too", { skip }, () => {
  for (const dataDir of ["/srv/builder", "/home/kim/builder"]) {
    const { units, failed } = machine(`{ services.drv-thru.server = { enable = true; dataDir = "${dataDir}"; }; }`);
    const service = units["drv-thru.service"];
    assert.deepEqual(failed, []);
    const { BindPaths, StateDirectory, ExecStartPre, ProtectHome } = service?.serviceConfig ?? {};
    assert.deepEqual([BindPaths, StateDirectory], [[`-${dataDir}`], undefined]);
    assert.equal(ProtectHome, dataDir.startsWith("/home") ? "tmpfs" : true);
    assert.match(String(ExecStartPre), new RegExp(`^\\+/bin/sh /nix/store/\\S+-prepare.sh drv-thru ${dataDir}$`));
    assert.deepEqual(service?.unitConfig["RequiresMountsFor"], [dataDir, `${dataDir}/secret.key`]);
  }
});

test("the Iroh key may be elsewhere and root's: the service gets a copy to read", { skip }, () => {
  const key = "/run/secrets/iroh";
  const { units, etc } = machine(`{ services.drv-thru.server = { enable = true; secretKeyFile = "${key}"; }; }`);
  const { ExecStartPre, RuntimeDirectory, RuntimeDirectoryMode } = units["drv-thru.service"]?.serviceConfig ?? {};
  assert.ok(String(ExecStartPre).endsWith(` drv-thru /var/lib/drv-thru ${key} /run/drv-thru-key/secret.key`));
  assert.deepEqual([RuntimeDirectory, RuntimeDirectoryMode], ["drv-thru-key", "0700"]);
  assert.equal(JSON.parse(etc["drv-thru/server.json"] ?? "").secret_key_file, "/run/drv-thru-key/secret.key");
});

test("paths that a unit cannot hold are refused", { skip }, () => {
  for (const path of ["relative", "/with space", "/with%specifier", "/with$variable", ""]) {
    const { failed } = machine(`{ services.drv-thru.server = { enable = true; dataDir = ${JSON.stringify(path)}; }; }`);
    assert.equal(failed.length, 1, path);
    assert.match(failed[0] ?? "", /dataDir and secretKeyFile must be absolute paths/);
  }
});

test("a Nix whose daemon would not answer the builder is refused with the line to add", { skip }, () => {
  const withUsers = (users: string) =>
    machine(`{ services.drv-thru.server.enable = true; nix.settings.allowed-users = [ ${users} ]; }`).failed;
  assert.deepEqual(withUsers('"@wheel" "alex"'), [
    `services.drv-thru.server: Nix's daemon would not answer the builder. Add it: nix.settings.allowed-users = [ "drv-thru" ];`,
  ]);
  for (const users of ['"*"', '"@wheel" "drv-thru"', '"@drv-thru"']) assert.deepEqual(withUsers(users), []);
});

test("a Nix that trusts the builder's user is warned about", { skip }, () => {
  const withUsers = (users: string) =>
    machine(`{ services.drv-thru.server.enable = true; nix.settings.trusted-users = [ ${users} ]; }`).warnings;
  assert.deepEqual(withUsers('"root" "@wheel"'), []);
  for (const users of ['"*"', '"root" "drv-thru"']) assert.match(withUsers(users)[0] ?? "", /trusted-users/);
});
