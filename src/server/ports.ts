import { readFile, writeFile } from "node:fs/promises";
import { Failure } from "../lib/failure.ts";
import { errorCode, whyOf } from "../lib/system-error.ts";

/** Picked at the first start and kept, so that tickets with direct addresses outlive a restart: a UDP port for each family of addresses. */
export interface KeptPorts {
  readonly ipv4?: number;
  readonly ipv6?: number;
}

/** Reads the kept ports; none at the first start. */
export async function readPorts(file: string): Promise<KeptPorts> {
  const text = await readFile(file, "utf8").catch(error => {
    if (errorCode(error) === "ENOENT") return "";
    throw cannotKeep("read", file, error);
  });
  const port = (family: string) => {
    const found = Number(new RegExp(`^${family} ([1-9][0-9]{0,4})$`, "m").exec(text)?.[1] ?? 0);
    return found > 0 && found < 65_536 ? found : undefined;
  };
  const [ipv4, ipv6] = [port("ipv4"), port("ipv6")];
  return { ...(ipv4 !== undefined && { ipv4 }), ...(ipv6 !== undefined && { ipv6 }) };
}

/** What to listen on: the wanted addresses, those without a port at the kept one. */
export function withPorts(bind: readonly string[], kept: KeptPorts): string[] {
  const at = (host: string, port: number | undefined) => (port === undefined ? host : `${host}:${port}`);
  if (bind.length === 0) {
    const all = [...(kept.ipv4 ? [at("0.0.0.0", kept.ipv4)] : []), ...(kept.ipv6 ? [at("[::]", kept.ipv6)] : [])];
    return all;
  }
  return bind.map(address => {
    if (hasPort(address)) return address;
    const bare = address.replace(/^\[|\]$/g, "");
    return isIpv6(address) ? at(`[${bare}]`, kept.ipv6) : at(bare, kept.ipv4);
  });
}

/** Keeps the ports of addresses that named none. */
export async function keepPorts(file: string, bind: readonly string[], bound: readonly number[], kept: KeptPorts) {
  const families = bind.length === 0 ? (["ipv4", "ipv6"] as const) : bind.map(family);
  const picked: { ipv4?: number; ipv6?: number } = { ...kept };
  for (const [index, name] of families.entries()) {
    const named = bind[index] !== undefined && hasPort(bind[index]);
    const port = bound[index];
    if (!named && port !== undefined) picked[name] = port;
  }
  if (picked.ipv4 === kept.ipv4 && picked.ipv6 === kept.ipv6) return;
  const lines = Object.entries(picked).map(([name, port]) => `${name} ${port}\n`);
  await writeFile(file, lines.join(""), { mode: 0o600 }).catch(error => {
    throw cannotKeep("write", file, error);
  });
}

/** The error for a port that somebody else has, with how to choose another; any other error as it is. */
export function portTaken(error: unknown, file: string, wanted: readonly string[]): unknown {
  if (!(error instanceof Failure) || error.reason !== "address-in-use") return error;
  return new Failure("failed", "this machine", `${error.message} (this builder listens on ${wanted.join(" and ")})`, {
    cause: error,
    reason: "address-in-use",
    fix: `choose another port with drv-thru serve --bind 0.0.0.0:PORT, or let a new one be picked: rm ${file}\ntickets that were handed out before then need a relay to find this builder`,
  });
}

function cannotKeep(verb: string, file: string, cause: unknown): Failure {
  return new Failure("failed", "this machine", `cannot ${verb} the builder's ports in ${file}: ${whyOf(cause)}`, {
    cause,
    fix: `look at it: ls -l ${file}`,
  });
}

function hasPort(address: string): boolean {
  return isIpv6(address) ? /\]:\d+$/.test(address) : address.includes(":");
}

function isIpv6(address: string): boolean {
  return address.startsWith("[") || address.split(":").length > 2;
}

/** The family of an address to listen on. */
export function family(address: string): "ipv4" | "ipv6" {
  return isIpv6(address) ? "ipv6" : "ipv4";
}
