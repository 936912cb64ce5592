import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Failure } from "../lib/failure.ts";
import { type Addon, loadAddon } from "./native/addon.ts";

/** Which implementation of Iroh a process uses. */
export interface IrohChoice {
  readonly name: "native" | "number0";
  /** For people: what it is, and its version. */
  readonly text: string;
  /** Why it is not the addon although there is one. */
  readonly because?: string;
  /** The addon, where it is that. */
  readonly addon?: Addon;
}

/** Where `npm run build:native` puts the addon: in the package, wherever in it this file or a bundle with it lies. */
const builtFile = fileURLToPath(new URL("native/iroh.node", import.meta.resolve("drv-thru/package.json")));

let chosen: IrohChoice | undefined;

/** What this process uses. Throws a `Failure` where the environment asks for what is not to be had. */
export function chosenIroh(): IrohChoice {
  chosen ??= chooseIroh(process.env);
  return chosen;
}

/**
 * The addon where it is present and fits, else @number0/iroh. `DRV_THRU_IROH` forces one; `DRV_THRU_IROH_ADDON` is the addon's file,
 * by default the one that was built here.
 */
export function chooseIroh(env: NodeJS.ProcessEnv, built: string = builtFile): IrohChoice {
  const word = env["DRV_THRU_IROH"] || "any";
  if (word === "number0") return numberZero();
  if (word !== "native" && word !== "any") {
    throw new Failure("usage", "this machine", `DRV_THRU_IROH is ${JSON.stringify(word)}, which is no Iroh`, {
      fix: "DRV_THRU_IROH=native, DRV_THRU_IROH=number0, or none of both",
    });
  }
  const file = env["DRV_THRU_IROH_ADDON"] || built;
  try {
    if (!existsSync(file)) throw new Error("there is no such file");
    const addon = loadAddon(file);
    return { name: "native", text: `native addon, iroh ${addon.IROH}`, addon };
  } catch (cause) {
    const because = `${file}: ${firstLine(cause)}`;
    if (word === "native") throw noAddon(because, cause);
    return file === built && !existsSync(built) ? numberZero() : { ...numberZero(), because };
  }
}

function numberZero(): IrohChoice {
  const manifest: unknown = createRequire(import.meta.url)("@number0/iroh/package.json");
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? ` ${manifest.version}` : "";
  return { name: "number0", text: `@number0/iroh${version}` };
}

function noAddon(because: string, cause: unknown): Failure {
  return new Failure("failed", "this machine", `DRV_THRU_IROH=native, but the addon does not load: ${because}`, {
    fix: "npm run build:native",
    reason: "no-addon",
    cause,
  });
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n", 1)[0] ?? "";
}
