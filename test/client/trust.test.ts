import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { test } from "node:test";
import type { HelperFinding } from "../../src/client/import/helper.ts";
import { decideImport } from "../../src/client/trust.ts";
import { Failure } from "../../src/lib/failure.ts";
import { formatPublicKey, generateSecretKey } from "../../src/nix/signing-key.ts";

const { public: key } = generateSecretKey("drv-thru");
const { public: other } = generateSecretKey("drv-thru");
const text = formatPublicKey(key);
const socketPath = "/run/drv-thru/import-helper.sock";

interface Machine {
  readonly trust?: "trusted" | "untrusted" | "unknown";
  readonly settings?: object;
  readonly finding?: Omit<HelperFinding, "socketPath">;
}

/** What is decided for user, and what was asked for that. */
async function decide({ trust = "untrusted", settings = {}, finding = { kind: "absent" } }: Machine) {
  const asked: string[] = [];
  const right = await decideImport({ trust }, key, {
    settings: async () => {
      asked.push("settings");
      return { trustedUsers: [], trustedPublicKeys: [], requireSignatures: true, ...settings };
    },
    helper: async () => {
      asked.push("helper");
      return { socketPath, ...finding };
    },
    user: async () => ({ name: "user", groups: ["user", "wheel"] }),
  });
  return { right, asked };
}

async function refusal(machine: Machine): Promise<Failure> {
  const error: unknown = await decide(machine).then(
    ({ right }) => assert.fail(right),
    error => error,
  );
  assert.ok(error instanceof Failure);
  assert.deepEqual([error.code, error.who, error.reason], ["not-permitted", "this machine", "key-not-trusted"]);
  return error;
}

for (const [what, trust, settings, right] of [
  ["whom the daemon trusts", "trusted", {}, "trusted-user"],
  ["with the key in trusted-public-keys", "untrusted", { trustedPublicKeys: [key] }, "trusted-key"],
  ["whose Nix needs no signatures", "untrusted", { requireSignatures: false }, "trusted-key"],
  ["named in trusted-users of an old daemon", "unknown", { trustedUsers: ["user"] }, "trusted-user"],
  ["in a trusted group of an old daemon", "unknown", { trustedUsers: ["@wheel"] }, "trusted-user"],
  ["on a machine where everybody is trusted by an old daemon", "unknown", { trustedUsers: ["*"] }, "trusted-user"],
] as const) {
  test(`a user ${what} imports as a ${right}, and no helper is asked`, async () => {
    const decided = await decide({ trust, settings, finding: { kind: "allowed" } });
    assert.equal(decided.right, right);
    assert.ok(!decided.asked.includes("helper"));
  });
}

for (const [what, trust, settings] of [
  ["with another key of that name", "untrusted", { trustedPublicKeys: [other] }],
  ["in another group", "unknown", { trustedUsers: ["@admin", "root"] }],
  ["named in trusted-users of a daemon that says otherwise", "untrusted", { trustedUsers: ["user"] }],
] as const) {
  test(`a user ${what} imports through the helper, and without one is told what to configure`, async () => {
    assert.equal((await decide({ trust, settings, finding: { kind: "allowed" } })).right, "helper");
    await refusal({ trust, settings });
  });
}

for (const [kind, words] of [
  ["absent", "no import helper runs here (there is no /run/drv-thru/import-helper.sock)"],
  ["not-a-socket", "/run/drv-thru/import-helper.sock is not a socket"],
  ["no-permission", "you may not ask the import helper (no permission to open /run/drv-thru/import-helper.sock)"],
  ["key-not-allowed", "the import helper of this machine does not take this key either"],
  ["silent", "the import helper does not answer at /run/drv-thru/import-helper.sock: nobody listens there"],
] as const) {
  test(`a user without trust whose helper is ${kind} is told so, with the exact key`, async () => {
    const { message } = await refusal({ finding: { kind, why: "nobody listens there" } });
    assert.ok(message.includes(words), message);
    assert.ok(message.includes(text), message);
  });
}

test("a user without trust is told the exact lines for NixOS, for nix.conf and for the helper", async () => {
  const { fix = "" } = await refusal({});
  const lines = fix.split("\n").map(line => line.trim());
  for (const line of [
    "services.drv-thru.client.enable = true;",
    `services.drv-thru.client.ticketHelper.trustedBuilderPublicKeys = [ "${text}" ];`,
    'services.drv-thru.client.ticketHelper.group = "wheel";',
    'users.users.user.extraGroups = [ "wheel" ];',
    `services.drv-thru.client.trustedBuilders.BUILDER.publicKey = "${text}";`,
    `nix.settings.extra-trusted-public-keys = [ "${text}" ];`,
    `extra-trusted-public-keys = ${text}`,
    "drv-thru helper serve --trusted-public-key-file /etc/drv-thru/trusted-builders --group wheel",
    "`nix run` of drv-thru installs no helper and changes no trust",
  ])
    assert.ok(lines.includes(line), `${line}\nis not in\n${fix}`);
  assert.ok(!fix.includes("log out and in"), "which helps only where there is a helper");
});

test("a user who may not ask the helper is told which group to join, and to log out and in", async () => {
  const { fix = "" } = await refusal({ finding: { kind: "no-permission", gid: 0 } });
  assert.match(fix, /^join the group that may ask the helper, then log out and in:\n {2}sudo usermod -aG root user\n/);
  assert.ok(fix.includes('users.users.user.extraGroups = [ "root" ];'), fix);
});

test("a user is known by name and groups without being named", async () => {
  const settings = { trustedUsers: [userInfo().username] };
  const right = await decideImport({ trust: "unknown" }, key, {
    settings: async () => ({ trustedPublicKeys: [], requireSignatures: true, ...settings }),
    helper: () => assert.fail("no helper is needed"),
  });
  assert.equal(right, "trusted-user");
});
