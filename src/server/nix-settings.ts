import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Failure } from "../lib/failure.ts";
import { MAX_SETTINGS, type NixSettings, parseSettings } from "../nix/settings.ts";

const run = promisify(execFile);
const PATIENCE = 30_000;

/** The settings of this machine's Nix, asked once of its own program. Throws a {@link Failure}. */
export async function readNixSettings(signal?: AbortSignal): Promise<NixSettings> {
  try {
    return await ask(["show-config"], signal);
  } catch (error) {
    if (isMissing(error)) {
      throw new Failure("failed", "this machine", "there is no nix program in PATH", {
        cause: error,
        fix: "install Nix (https://nixos.org/download), or add its bin folder to PATH",
      });
    }
    // Newer versions have given the command another name.
    return await ask(["config", "show"], signal).catch(cause => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Failure("failed", "nix", `Nix does not tell its settings: ${why}`, { cause });
    });
  }
}

async function ask(words: readonly string[], signal: AbortSignal | undefined): Promise<NixSettings> {
  const args = ["--extra-experimental-features", "nix-command", ...words, "--json"];
  const options = { timeout: PATIENCE, maxBuffer: MAX_SETTINGS, encoding: "utf8", ...(signal && { signal }) } as const;
  const { stdout } = await run("nix", args, options);
  return parseSettings(stdout);
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
