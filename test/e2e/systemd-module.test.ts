import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { type Host, makeHost } from "../hosts/host.ts";
import { Systemd, whyNoSystemd } from "../hosts/systemd.ts";
import { machine, unitText } from "../nixos/machine.ts";
import { whyNoEvaluation } from "../nixos/nix.ts";

const skip = whyNoEvaluation() ?? whyNoSystemd();
const LOG = "/var/log/drv-thru.log";

/** Puts a machine that the module makes onto a host, as far as the builder needs it, and waits until the builder serves. */
async function install(host: Host, server: string): Promise<Systemd> {
  const { etc, units, tmpfiles } = machine(`{ services.drv-thru.server = { enable = true; ${server} }; }`);
  await root(host, "systemd-sysusers", "/drv-thru/contrib/systemd/sysusers.d/drv-thru.conf");
  await host.run(["systemd-tmpfiles", "--create", "-"], { user: "root", input: `${tmpfiles.join("\n")}\n` });
  for (const [name, text] of Object.entries(etc)) {
    const file = host.outside(`/etc/${name}`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const here = Object.entries(units).map(([name, unit]) => [name, onHost(unitText(unit))] as const);
  const systemd = await Systemd.start(host, Object.fromEntries(here), ["drv-thru.service"]);
  while ((await host.run(["drv-thru", "status"], { user: "root" })).status !== 0) {
    const { stdout } = await systemd.run(["systemctl", "is-active", "drv-thru.service"]);
    const restarts = await systemd.run(["systemctl", "show", "--property=NRestarts", "--value", "drv-thru.service"]);
    const log = await host.run(["cat", LOG], { user: "root" });
    assert.deepEqual(
      [stdout.trim().replace("activating", "active"), restarts.stdout.trim()],
      ["active", "0"],
      log.stdout,
    );
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  return systemd;
}

/** A unit whose paths in a Nix store, where nothing lies, are those of this checkout. */
function onHost(text: string): string {
  const here = text
    .replaceAll(/\/nix\/store\/\S+-drv-thru\/bin\//g, "/drv-thru/scripts/")
    .replaceAll(/\/nix\/store\/\S+-coreutils\/bin\//g, "/bin/")
    .replaceAll(/\/nix\/store\/\S+-prepare\.sh/g, "/drv-thru/nixos/prepare.sh");
  return here.includes("[Service]") ? `${here}\n[Service]\nStandardError=append:${LOG}\n` : here;
}

async function root(host: Host, ...argv: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await host.run(argv, { user: "root" });
  assert.equal(status, 0, `${argv.join(" ")}: ${stderr}`);
  return stdout;
}

const endpointOf = async (host: Host) =>
  JSON.parse(await root(host, "drv-thru", "status", "--json")) as { endpointId?: string };

test("the module's builder keeps its files in a home, and takes root's key from elsewhere", { skip }, async () => {
  const host = await makeHost("builder");
  try {
    const key = "/var/secrets/deep/iroh";
    const server = `dataDir = "/home/builder/drv-thru"; secretKeyFile = "${key}"; settings.relay = "none";`;
    await using _systemd = await install(host, server);
    // It was missing: made for root alone, its folders too.
    assert.equal(await root(host, "stat", "-c", "%U %a", key, dirname(key)), "root 600\nroot 700\n");
    assert.equal(await root(host, "stat", "-c", "%U %a", "/home/builder/drv-thru"), "drv-thru 700\n");
    assert.match(await root(host, "ls", "/home/builder/drv-thru"), /signing-public\.key/);
    // The other files of that home stay out of the service's sight.
    const [pid = ""] = (await root(host, "pgrep", "-u", "drv-thru", "-f", "serve --config")).trim().split("\n");
    const seen = await root(host, "nsenter", "--target", pid, "--mount", "--", "ls", "-A", "/home/builder");
    assert.equal(seen, "drv-thru\n");
  } finally {
    await host.stop();
  }
});

test("the module's builder takes over a folder and a key that are there, and closes the folder to others", {
  skip,
}, async () => {
  const host = await makeHost("builder");
  try {
    const key = host.outside("/var/secrets/iroh");
    mkdirSync(dirname(key));
    writeFileSync(key, `${"5a".repeat(32)}\n`, { mode: 0o600 });
    const data = host.outside("/var/lib/drv-thru");
    mkdirSync(data);
    chmodSync(data, 0o2770);
    await using _systemd = await install(host, 'secretKeyFile = "/var/secrets/iroh"; settings.relay = "none";');
    const expected = await root(host, "drv-thru", "key", "show", "--key-file", "/var/secrets/iroh");
    assert.equal((await endpointOf(host)).endpointId, expected.trim());
    assert.equal(statSync(data).mode & 0o7777, 0o700);
    assert.equal(readFileSync(key, "utf8"), `${"5a".repeat(32)}\n`);
    assert.equal(await root(host, "stat", "-c", "%U %a", "/var/secrets/iroh"), "root 600\n");
  } finally {
    await host.stop();
  }
});
