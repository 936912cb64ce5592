import { FormatError } from "./format-error.ts";
import { type PublicKey, parsePublicKey } from "./signing-key.ts";

/**
 * `nix show-config --json` (from 2.20 on `nix config show --json`) prints `{ "NAME": { "value": …, … }, … }`: the settings in effect for who asks.
 * Lists are arrays; a string of words counts too. What a version does not have is absent and gets Nix's default.
 */

/** The settings of a Nix that matter to trust and to what it can build. */
export interface NixSettings {
  /** Such as `x86_64-linux`. Empty if not said. */
  readonly system: string;
  readonly extraPlatforms: readonly string[];
  readonly systemFeatures: readonly string[];
  /** The machines to which it hands work, as the setting has them. */
  readonly builders: string;
  /** Those of `trusted-public-keys` that can be read: Nix, too, goes on without the others. */
  readonly trustedPublicKeys: readonly PublicKey[];
  /** User names, `@group`s, or `*`. */
  readonly trustedUsers: readonly string[];
  readonly allowedUsers: readonly string[];
  readonly substituters: readonly string[];
  readonly trustedSubstituters: readonly string[];
  readonly requireSignatures: boolean;
  readonly sandbox: SandboxUse;
  readonly building: BuildSettings;
}

/** Which builds run in a sandbox: all, those for which the kernel allows it (`sandbox-fallback`), or not all (`sandbox` is off or relaxed). */
export type SandboxUse = "all" | "where-possible" | "not-all";

/** How a Nix builds. A daemon's client replaces these numbers by its own, so it has to know them. */
export interface BuildSettings {
  /** `max-jobs`: derivations built at once; 0: none on this machine. `undefined`: by the machine's cores. */
  readonly maxJobs: number | undefined;
  /** `cores` that each may use; 0 is all. */
  readonly cores: number;
  /** `max-silent-time` of a derivation in seconds; 0 is no limit. */
  readonly maxSilentSeconds: number;
  /** `timeout` of a derivation in seconds; 0 is no limit. */
  readonly timeoutSeconds: number;
}

/** Longest output of Nix in characters that is read. */
export const MAX_SETTINGS = 4 << 20;

/** Reads Nix's settings. Throws {@link FormatError}. */
export function parseSettings(json: string): NixSettings {
  const all = parseObject(json);
  const words = (name: string, otherwise: readonly string[] = []) => wordsOf(all.get(name), name) ?? otherwise;
  return {
    system: words("system")[0] ?? "",
    extraPlatforms: words("extra-platforms"),
    systemFeatures: words("system-features"),
    builders: textOf(all.get("builders")),
    trustedPublicKeys: words("trusted-public-keys").flatMap(readableKey),
    trustedUsers: words("trusted-users", ["root"]),
    allowedUsers: words("allowed-users", ["*"]),
    substituters: words("substituters"),
    trustedSubstituters: words("trusted-substituters"),
    requireSignatures: ![false, "false"].includes(effective(all.get("require-sigs")) as string | boolean),
    sandbox: sandboxUse(effective(all.get("sandbox")), effective(all.get("sandbox-fallback"))),
    building: {
      maxJobs: countOf(all, "max-jobs"),
      cores: countOf(all, "cores") ?? 0,
      maxSilentSeconds: countOf(all, "max-silent-time") ?? 0,
      timeoutSeconds: countOf(all, "timeout") ?? 0,
    },
  };
}

/** Both are true by default. */
function sandboxUse(sandbox: unknown = true, fallback: unknown = true): SandboxUse {
  if (sandbox !== true && sandbox !== "true") return "not-all";
  return fallback === false || fallback === "false" ? "all" : "where-possible";
}

/** Whether a list such as `trusted-users` names this user, or one of the groups the user is in. */
export function namesUser(list: readonly string[], user: string, groups: readonly string[]): boolean {
  return list.some(
    entry => entry === "*" || entry === user || (entry.startsWith("@") && groups.includes(entry.slice(1))),
  );
}

function parseObject(json: string): Map<string, unknown> {
  if (json.length > MAX_SETTINGS) throw new FormatError(`Nix's settings of ${json.length} characters are too long`);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new FormatError("Nix did not print its settings as JSON", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FormatError("Nix's settings are not an object");
  }
  return new Map(Object.entries(value));
}

/** The value in a setting's record, or what stands in its place. */
function effective(setting: unknown): unknown {
  const record = typeof setting === "object" && setting !== null && "value" in setting;
  return record ? setting.value : setting;
}

/** A whole number; `undefined` if it is absent or "auto". */
function countOf(all: ReadonlyMap<string, unknown>, name: string): number | undefined {
  const value = effective(all.get(name));
  if (value === undefined || value === "auto") return undefined;
  const count = typeof value === "string" && /^[0-9]{1,15}$/.test(value) ? Number(value) : value;
  if (typeof count === "number" && Number.isSafeInteger(count) && count >= 0) return count;
  throw new FormatError(`Nix's setting ${name} is not a whole number`);
}

function textOf(setting: unknown): string {
  const value = effective(setting);
  return typeof value === "string" ? value : "";
}

function wordsOf(setting: unknown, name: string): string[] | undefined {
  const value = effective(setting);
  if (value === undefined) return undefined;
  if (typeof value === "string") return value.split(/\s+/).filter(word => word !== "");
  if (Array.isArray(value) && value.every(word => typeof word === "string")) return value;
  throw new FormatError(`Nix's setting ${name} is not a list of words`);
}

function readableKey(text: string): PublicKey[] {
  try {
    return [parsePublicKey(text)];
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}
