import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findBuilder } from "../../src/client/builders/known.ts";
import { parseAllowedKeys } from "../../src/helper/keys.ts";
import { formatPublicKey, generateSecretKey } from "../../src/nix/signing-key.ts";
import { machine, unitText } from "./machine.ts";
import { whyNoEvaluation } from "./nix.ts";

const skip = whyNoEvaluation();
const NIXOS_KEY = "cache.nixos.org-1:stands-first";

function expected(name: string): string {
  return readFileSync(join(import.meta.dirname, "expected", name), "utf8");
}

/** A client that sets every option. */
const FULL = `{
  services.drv-thru.client = {
    enable = true;
    narFetches = 16;
    builders.leviathan = {
      endpointIdFile = "/run/secrets/drv-thru-leviathan-endpoint-id";
      relayUrl = "https://relay.example.org/";
      publicKey = "leviathan:AAAA";
    };
    builders.kraken = { endpointId = "${"33".repeat(32)}"; publicKey = "kraken:BBBB"; };
    trustedBuilders.other.publicKey = "other:CCCC";
    trustedBuilders.again.publicKey = "kraken:BBBB";
    trustedBuilders.alone.publicKey = "alone:EEEE";
    ticketHelper.trustedBuilderPublicKeys = [ "ticket:DDDD" "other:CCCC" ];
  };
}`;

test("a client with nothing but enable gets the import helper and the command, and trusts nobody", { skip }, () => {
  const { failed, etc, units, tmpfiles, systemPackages, settings, sessionVariables, groups } = machine(
    "{ services.drv-thru.client.enable = true; }",
  );
  assert.deepEqual(failed, []);
  const names = ["drv-thru-import-helper.service", "drv-thru-import-helper.socket"];
  assert.deepEqual(Object.keys(units).sort(), names);
  for (const [name, unit] of Object.entries(units)) assert.equal(unitText(unit), expected(name));
  const [nix, ss] = ["nix", "iproute2"].map(name => `/nix/store/${"0".repeat(32)}-${name}`);
  assert.deepEqual(units["drv-thru-import-helper.service"]?.path, [nix, ss]);
  assert.deepEqual(etc, { "drv-thru/trusted-builders": "" });
  assert.deepEqual([tmpfiles, systemPackages.length], [["d /run/drv-thru 0755 root root -"], 1]);
  assert.deepEqual([settings["trusted-public-keys"], sessionVariables], [[NIXOS_KEY], {}]);
  assert.deepEqual(groups, { wheel: {} });
});

test("Nix trusts the keys of builders and trusted builders, each once, after those it had; not those of the helper alone", {
  skip,
}, () => {
  const keys = machine(FULL).settings["trusted-public-keys"] ?? [];
  assert.equal(keys[0], NIXOS_KEY);
  assert.deepEqual(keys.slice(1).sort(), ["alone:EEEE", "kraken:BBBB", "leviathan:AAAA", "other:CCCC"]);
});

test("the import helper takes the keys of all three lists, each once", { skip }, () => {
  const lines = machine(FULL).etc["drv-thru/trusted-builders"]?.trim().split("\n") ?? [];
  assert.deepEqual(lines.sort(), ["alone:EEEE", "kraken:BBBB", "leviathan:AAAA", "other:CCCC", "ticket:DDDD"]);
});

test("the import helper starts anew when its keys change", { skip }, () => {
  const triggers = (config: string) => machine(config).units["drv-thru-import-helper.service"]?.restartTriggers;
  assert.notDeepEqual(triggers(FULL), triggers("{ services.drv-thru.client.enable = true; }"));
});

test("builders.json names the builders, without what is not set", { skip }, () => {
  assert.deepEqual(JSON.parse(machine(FULL).etc["drv-thru/builders.json"] ?? ""), {
    builders: {
      kraken: { endpoint_id: "33".repeat(32), public_key: "kraken:BBBB" },
      leviathan: {
        endpoint_id_file: "/run/secrets/drv-thru-leviathan-endpoint-id",
        relay_url: "https://relay.example.org/",
        public_key: "leviathan:AAAA",
      },
    },
  });
});

test("what the module writes is what the client and the helper read", { skip }, async t => {
  const key = formatPublicKey(generateSecretKey("kraken").public);
  const { etc } = machine(`{
    services.drv-thru.client = {
      enable = true;
      builders.kraken = { endpointId = "${"33".repeat(32)}"; publicKey = "${key}"; addresses = [ "192.0.2.7:4433" ]; };
    };
  }`);
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-etc-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "builders.json");
  writeFileSync(file, etc["drv-thru/builders.json"] ?? "");
  const { publicKey, addresses } = await findBuilder("kraken", { DRV_THRU_BUILDERS_CONFIG: file });
  assert.deepEqual([publicKey, addresses], [key, ["192.0.2.7:4433"]]);
  assert.deepEqual([...parseAllowedKeys(etc["drv-thru/trusted-builders"] ?? "", "trusted-builders").keys()], [key]);
});

test("narFetches is set for everybody's sessions", { skip }, () => {
  assert.deepEqual(machine(FULL).sessionVariables, { DRV_THRU_NAR_FETCHES: "16" });
});

test("another group may be let in to the import helper", { skip }, () => {
  const { units, groups } = machine(
    '{ services.drv-thru.client = { enable = true; ticketHelper.group = "builders"; }; }',
  );
  assert.equal(units["drv-thru-import-helper.socket"]?.socketConfig["SocketGroup"], "builders");
  assert.deepEqual(groups, { builders: {} });
});

test("without the import helper there is no unit, no file and no folder of it", { skip }, () => {
  const { units, etc, tmpfiles, groups } = machine(
    "{ services.drv-thru.client = { enable = true; ticketHelper.enable = false; }; }",
  );
  assert.deepEqual([units, etc, tmpfiles, groups], [{}, {}, [], {}]);
});

test("without client.enable none of the client's options has an effect", { skip }, () => {
  const { units, etc, settings, sessionVariables, systemPackages, tmpfiles, failed } = machine(
    FULL.replace("enable = true;", ""),
  );
  assert.deepEqual([units, etc, sessionVariables, systemPackages, tmpfiles, failed], [{}, {}, {}, [], [], []]);
  assert.deepEqual(settings["trusted-public-keys"], [NIXOS_KEY]);
});

test("the import helper without the client is refused", { skip }, () => {
  assert.deepEqual(machine("{ services.drv-thru.client.ticketHelper.enable = true; }").failed, [
    "services.drv-thru.client.ticketHelper.enable requires services.drv-thru.client.enable.",
  ]);
});

const ids: readonly [what: string, ids: string, fails: boolean][] = [
  ["neither", "", true],
  ["both", 'endpointId = "a"; endpointIdFile = "/b";', true],
  ["one", 'endpointId = "a";', false],
  ["the other", 'endpointIdFile = "/b";', false],
];
test("a builder with both or neither of endpointId and endpointIdFile is refused", { skip }, () => {
  const message = "Each services.drv-thru.client.builders entry must set exactly one of endpointId or endpointIdFile.";
  for (const [what, fields, fails] of ids) {
    const builder = `{ publicKey = "a:AAAA"; ${fields} }`;
    const { failed } = machine(`{ services.drv-thru.client = { enable = true; builders.a = ${builder}; }; }`);
    assert.deepEqual(failed, fails ? [message] : [], what);
  }
});

test("a machine that is builder and client has both, and one folder for their sockets that neither owns", {
  skip,
}, () => {
  const { failed, units, tmpfiles, groups } = machine(
    "{ services.drv-thru = { server.enable = true; client.enable = true; }; }",
  );
  assert.deepEqual(failed, []);
  assert.deepEqual(Object.keys(units).sort(), [
    "drv-thru-import-helper.service",
    "drv-thru-import-helper.socket",
    "drv-thru.service",
    "drv-thru.socket",
  ]);
  for (const [name, unit] of Object.entries(units)) assert.equal(unitText(unit), expected(name));
  assert.deepEqual(tmpfiles, ["d /run/drv-thru 0755 root root -"]);
  for (const { serviceConfig } of Object.values(units)) assert.notEqual(serviceConfig["RuntimeDirectory"], "drv-thru");
  assert.deepEqual(groups, { "drv-thru": {}, wheel: {} });
});
