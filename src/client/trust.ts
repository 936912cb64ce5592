import { execFile } from "node:child_process";
import { userInfo } from "node:os";
import { promisify } from "node:util";
import { Failure } from "../lib/failure.ts";
import { type NixSettings, namesUser, parseSettings } from "../nix/settings.ts";
import { formatPublicKey, type PublicKey } from "../nix/signing-key.ts";
import type { Store } from "../nix/store.ts";
import type { HelperFinding } from "./import/helper.ts";
import type { RunNix } from "./plan/nix-process.ts";
import { untrusted } from "./untrusted.ts";

/** Why this user's Nix will take what a key signed, or that the import helper takes it for them. */
export type ImportRight = "trusted-user" | "trusted-key" | "helper";

/** The settings of the machine's Nix that decide about imports. */
export type TrustSettings = Pick<NixSettings, "trustedUsers" | "trustedPublicKeys" | "requireSignatures">;

/** A user as Nix's daemon sees one. */
export interface LocalUser {
  readonly name: string;
  readonly groups: readonly string[];
}

/** What is asked of the machine, each only where it matters. */
export interface TrustSources {
  readonly settings: () => Promise<TrustSettings>;
  /** What the import helper of this machine says of the key. */
  readonly helper: () => Promise<HelperFinding>;
  readonly user?: () => Promise<LocalUser>;
}

/**
 * Says how outputs signed by this key will get into the store, or throws the `Failure` that tells what to configure. Never found out by trying:
 * a daemon silently ignores what an untrusted user asks.
 */
export async function decideImport(
  store: Pick<Store, "trust">,
  key: PublicKey,
  { settings, helper, user = localUser }: TrustSources,
): Promise<ImportRight> {
  if (store.trust === "trusted") return "trusted-user";
  const { trustedUsers, trustedPublicKeys, requireSignatures } = await settings();
  // The whole key, not its name: a name can be used again.
  const trusted = trustedPublicKeys.some(other => formatPublicKey(other) === formatPublicKey(key));
  if (trusted || !requireSignatures) return "trusted-key";
  const { name, groups } = await user();
  if (store.trust === "unknown" && namesUser(trustedUsers, name, groups)) return "trusted-user";
  const finding = await helper();
  if (finding.kind === "allowed") return "helper";
  throw await untrusted(key, name, finding);
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
