import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Failure } from "../lib/failure.ts";
import { formatPublicKey, type PublicKey } from "../nix/signing-key.ts";
import type { HelperFinding } from "./import/helper.ts";

/** Where the examples keep the keys that the helper takes. */
const KEY_FILE = "/etc/drv-thru/trusted-builders";

/** The failure of a user who could not import what a key signed: what is missing, and the exact lines for each way to change that. */
export async function untrusted(key: PublicKey, user: string, finding: HelperFinding): Promise<Failure> {
  const text = formatPublicKey(key);
  const group = (await groupName(finding.gid)) ?? "wheel";
  const message = `the Nix of this machine does not trust the builder's key ${text}, so it would refuse what the builder makes; ${helperWords(finding)}`;
  const fix = [
    ...helperLines(finding, group, user),
    "if you trust this builder's owner, one of these lets in what it signs:",
    ...ways(text, group, user),
  ];
  return new Failure("not-permitted", "this machine", message, { reason: "key-not-trusted", fix: fix.join("\n") });
}

function helperWords({ kind, socketPath, why }: HelperFinding): string {
  switch (kind) {
    case "absent":
      return `and no import helper runs here (there is no ${socketPath})`;
    case "not-a-socket":
      return `and ${socketPath} is not a socket, so no import helper can be asked`;
    case "no-permission":
      return `and you may not ask the import helper (no permission to open ${socketPath})`;
    case "key-not-allowed":
      return "and the import helper of this machine does not take this key either";
    default:
      return `and the import helper does not answer at ${socketPath}: ${why ?? "it says nothing"}`;
  }
}

function helperLines({ kind, socketPath }: HelperFinding, group: string, user: string): string[] {
  if (kind === "not-a-socket") return [`remove what stands at ${socketPath}, and start the helper anew`];
  if (kind !== "no-permission") return [];
  return [`join the group that may ask the helper, then log out and in:`, `  sudo usermod -aG ${group} ${user}`];
}

function ways(key: string, group: string, user: string): string[] {
  return [
    "on NixOS, for the members of a group (wheel, unless you name another), and rebuild:",
    "  services.drv-thru.client.enable = true;",
    `  services.drv-thru.client.ticketHelper.trustedBuilderPublicKeys = [ "${key}" ];`,
    `  services.drv-thru.client.ticketHelper.group = "${group}";`,
    `  users.users.${user}.extraGroups = [ "${group}" ];`,
    "on NixOS, for every user of this machine:",
    "  services.drv-thru.client.enable = true;",
    `  services.drv-thru.client.trustedBuilders.BUILDER.publicKey = "${key}";`,
    "  # or, without the module of drv-thru:",
    `  nix.settings.extra-trusted-public-keys = [ "${key}" ];`,
    "elsewhere, for every user, add this line to /etc/nix/nix.conf as root, and restart nix-daemon:",
    `  extra-trusted-public-keys = ${key}`,
    "elsewhere, for the members of a group, as root:",
    `  mkdir -p /etc/drv-thru; echo '${key}' >> ${KEY_FILE}`,
    `  drv-thru helper serve --trusted-public-key-file ${KEY_FILE} --group ${group}`,
    "or import into a store of your own, which needs none of this: the same command with --store ./DIR",
    "`nix run` of drv-thru installs no helper and changes no trust",
  ];
}

async function groupName(gid: number | undefined): Promise<string | undefined> {
  if (gid === undefined) return undefined;
  try {
    const { stdout } = await promisify(execFile)("getent", ["group", String(gid)]);
    return stdout.split(":")[0] || undefined;
  } catch {
    return undefined; // there is no getent, or no such group: the usual one is named
  }
}
