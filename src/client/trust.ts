import { execFile } from "node:child_process";
import { userInfo } from "node:os";
import { promisify } from "node:util";
import { Failure } from "../lib/failure.ts";
import { type NixSettings, namesUser, parseSettings } from "../nix/settings.ts";
import { formatPublicKey, type PublicKey } from "../nix/signing-key.ts";
import type { Store } from "../nix/store.ts";
import type { RunNix } from "./plan/nix-process.ts";

/** Why this user's Nix will take what a key signed. */
export type ImportRight = "trusted-user" | "trusted-key";

/** The settings of the machine's Nix that decide about imports. */
export type TrustSettings = Pick<NixSettings, "trustedUsers" | "trustedPublicKeys" | "requireSignatures">;

/** A user as Nix's daemon sees one. */
export interface LocalUser {
  readonly name: string;
  readonly groups: readonly string[];
}

/**
 * Says how outputs signed by this key will get into the store, or throws the `Failure` that tells what to configure. Never found out by trying:
 * a daemon silently ignores what an untrusted user asks.
 */
export async function decideImport(
  store: Pick<Store, "trust">,
  key: PublicKey,
  settings: () => Promise<TrustSettings>,
  user: () => Promise<LocalUser> = localUser,
): Promise<ImportRight> {
  if (store.trust === "trusted") return "trusted-user";
  const { trustedUsers, trustedPublicKeys, requireSignatures } = await settings();
  // The whole key, not its name: a name can be used again.
  const trusted = trustedPublicKeys.some(other => formatPublicKey(other) === formatPublicKey(key));
  if (trusted || !requireSignatures) return "trusted-key";
  if (store.trust === "unknown") {
    const { name, groups } = await user();
    if (namesUser(trustedUsers, name, groups)) return "trusted-user";
  }
  throw untrusted(key);
}

function untrusted(key: PublicKey): Failure {
  const text = formatPublicKey(key);
  const message = `the Nix of this machine does not trust the builder's key ${text}, so it would refuse what the builder makes`;
  return new Failure("not-permitted", "this machine", message, {
    reason: "key-not-trusted",
    fix: [
      "if you trust this builder's owner, add this line to /etc/nix/nix.conf as root:",
      `  extra-trusted-public-keys = ${text}`,
      "and restart the daemon:",
      "  systemctl restart nix-daemon",
      "on NixOS, put this into the configuration instead and rebuild:",
      `  nix.settings.extra-trusted-public-keys = [ "${text}" ];`,
    ].join("\n"),
  });
}

/** Reads the settings as the daemon has them: those of the machine, without the user's own file, which it does not obey. */
export async function readTrustSettings(run: RunNix, signal?: AbortSignal): Promise<TrustSettings> {
  const { NIX_CONFIG: _ignored, ...rest } = process.env;
  const env = { ...rest, NIX_USER_CONF_FILES: "" };
  const features = ["--extra-experimental-features", "nix-command"];
  const old = await run(["show-config", "--json", ...features], { env, signal });
  // The command was renamed in 2.20.
  const output = old.exitCode === 0 ? old : await run(["config", "show", "--json", ...features], { env, signal });
  try {
    return parseSettings(output.stdout);
  } catch (cause) {
    throw new Failure("failed", "nix", "cannot read the settings of Nix", { fix: "nix show-config --json", cause });
  }
}

async function localUser(): Promise<LocalUser> {
  // By `id`, because groups may come from a directory service that no file here names.
  const { stdout } = await promisify(execFile)("id", ["-Gn"]);
  return { name: userInfo().username, groups: stdout.trim().split(/\s+/) };
}
