import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatPublicKey, type PublicKey } from "../nix/signing-key.ts";
import type { StorePath } from "../nix/store-path.ts";

/** What is to be copied. */
export interface CopyOptions {
  /** The relay's. */
  readonly url: string;
  readonly key: PublicKey;
  readonly paths: readonly StorePath[];
  /** Ends Nix. */
  readonly signal: AbortSignal;
}

/** How Nix ended. */
export interface Copied {
  /** 0 is success; -1: it was ended by a signal. */
  readonly exitCode: number;
  /** The end of what it wrote to stderr. */
  readonly stderr: string;
}

/** Most of its stderr that is kept, in characters. */
const MAX_STDERR = 64 << 10;
/** Time for Nix to remove a half of a path once it is told to end, in milliseconds. */
const TERM_PATIENCE_MS = 5_000;

/**
 * Runs `nix copy`: a fixed list of arguments, an environment of its own, no configuration file. Measured on Nix 2.8, into the store itself and by the
 * daemon: a path is refused unless the one key given here signed it, or its content proves it, although root asks.
 */
export async function nixCopy({ url, key, paths, signal }: CopyOptions): Promise<Copied> {
  signal.throwIfAborted();
  // Its cache of narinfos, and whatever else it would look for or leave at home.
  const home = await mkdtemp(join(tmpdir(), "drv-thru-helper-"));
  try {
    return await run([...optionsFor(key), "copy", "--no-recursive", "--from", url, "--", ...paths], home, signal);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

function optionsFor(key: PublicKey): string[] {
  const settings = {
    "require-sigs": "true",
    "trusted-public-keys": formatPublicKey(key),
    // Their public halves would count as trusted too.
    "secret-key-files": "",
    substituters: "",
    builders: "",
    // Else it would set the store folder's group anew.
    "build-users-group": "",
    "netrc-file": "",
    "download-attempts": "1",
    "connect-timeout": "10",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["--option", name, value]);
  return ["--extra-experimental-features", "nix-command", ...options];
}

function environment(home: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: home,
    TMPDIR: home,
    LANG: "C.UTF-8",
    XDG_CACHE_HOME: home,
    XDG_CONFIG_HOME: home,
    XDG_DATA_HOME: home,
    XDG_STATE_HOME: home,
    NIX_CONF_DIR: home,
    NIX_USER_CONF_FILES: "",
  };
}

async function run(args: readonly string[], home: string, signal: AbortSignal): Promise<Copied> {
  const { promise, resolve, reject } = Promise.withResolvers<Copied>();
  const child = spawn("nix", args, { cwd: home, env: environment(home), stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-MAX_STDERR);
  });
  const end = () => {
    if (child.pid === undefined) return;
    child.kill();
    const last = setTimeout(() => child.kill("SIGKILL"), TERM_PATIENCE_MS);
    child.once("exit", () => clearTimeout(last));
  };
  signal.addEventListener("abort", end, { once: true });
  if (signal.aborted) end();
  child.once("error", reject);
  child.once("close", code => resolve({ exitCode: code ?? -1, stderr }));
  try {
    return await promise;
  } finally {
    signal.removeEventListener("abort", end);
  }
}
