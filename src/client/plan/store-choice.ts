import { resolve } from "node:path";
import { Failure } from "../../lib/failure.ts";
import type { DaemonOptions } from "../../nix/daemon/open.ts";

/** A store on this machine as `--store` names it. */
export interface StoreChoice {
  /** For `nix build --store`. */
  readonly uri: string;
  /** How to speak to it. */
  readonly daemon: Pick<DaemonOptions, "socketPath" | "ownStore">;
}

const TAKEN = "--store takes a folder (./DIR or /DIR), local, local?root=DIR, daemon, or unix:///SOCKET";

/**
 * Reads what `--store` names, as Nix does: a folder is a store of one's own below it. `undefined`: the machine's. Throws a usage `Failure` for a store
 * that is not on this machine: there Nix's own `nix copy` does the rest.
 */
export function chooseStore(text: string | undefined, cwd: string): StoreChoice | undefined {
  if (text === undefined || text === "auto") return undefined;
  if (text === "") throw usage("--store names no store");
  const [, socketPath] = /^unix:\/\/(\/[^?#]*)$/.exec(text) ?? [];
  if (socketPath !== undefined) return { uri: text, daemon: { socketPath } };
  if (text === "daemon") return { uri: text, daemon: {} };
  if (text === "local" || /^local\?/.test(text)) return { uri: text, daemon: { ownStore: text } };
  if (text.includes("://")) throw usage(`the store ${shown(text)} is not on this machine`);
  if (!text.includes("/") && !/^\.\.?$/.test(text))
    throw usage(`${shown(text)} is not a store: a folder is written ./${text}`);
  // Nix would take what follows for the store's settings.
  if (/[?\n\0]/.test(text))
    throw usage(`the folder of a store cannot have a question mark in its name: ${shown(text)}`);
  const folder = resolve(cwd, text);
  return { uri: folder, daemon: { ownStore: folder } };
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

function usage(message: string): Failure {
  return new Failure("usage", "this machine", message, { fix: TAKEN });
}
