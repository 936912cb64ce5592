import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { BuildTarget, ServerTarget } from "../client/target.ts";
import { Failure } from "../lib/failure.ts";
import { whyOf } from "../lib/system-error.ts";
import type { Io } from "./io.ts";
import { readSecret } from "./secret.ts";

/** The flags that name a builder. */
export interface TargetFlags {
  readonly builder?: string | undefined;
  readonly ticket?: string | undefined;
  readonly ticketFile?: string | undefined;
  readonly server?: string | undefined;
  readonly relayUrl?: readonly string[] | undefined;
  readonly address?: readonly string[] | undefined;
}

/** Refuses flags that name two builders, before any work. */
export function checkTargetFlags(flags: TargetFlags): void {
  const given = [
    flags.ticket !== undefined && "--ticket",
    flags.ticketFile !== undefined && "--ticket-file",
    flags.builder !== undefined && "--builder",
    flags.server !== undefined && "--server",
  ].filter(flag => flag !== false);
  if (given.length > 1) throw usage(`${given.join(" and ")} exclude each other`, "name one builder");
  for (const [flag, values] of [["--relay-url", flags.relayUrl] as const, ["--address", flags.address] as const]) {
    if (values !== undefined && values.length > 0 && flags.server === undefined) {
      throw usage(
        `${flag} says where --server is, and there is no --server`,
        `--server ENDPOINT_ID ${flag} ${values[0]}`,
      );
    }
  }
}

/** The builder that the flags name; without them, and where that is allowed, `DRV_THRU_TICKET`. */
export async function targetFrom(
  flags: TargetFlags,
  io: Pick<Io, "stdin" | "env" | "cwd">,
  options: { environment: boolean },
): Promise<BuildTarget | undefined> {
  checkTargetFlags(flags);
  if (flags.builder === "") throw usage("--builder names no builder", "drv-thru builder list");
  if (flags.builder !== undefined) return { builder: flags.builder };
  const server = await serverFrom(flags);
  if (server !== undefined) return { server };
  const ticket = await ticketFrom(flags, io, options);
  return ticket === undefined ? undefined : { ticket };
}

/** The ticket's text: from the flag, stdin, a file or `DRV_THRU_TICKET`; a flag wins over the environment. */
async function ticketFrom(
  flags: TargetFlags,
  io: Pick<Io, "stdin" | "env" | "cwd">,
  options: { environment: boolean },
): Promise<string | undefined> {
  if (flags.ticket === "-") return nonEmpty(await readSecret(io.stdin), "stdin");
  if (flags.ticket !== undefined) return nonEmpty(flags.ticket.trim(), "--ticket");
  if (flags.ticketFile === "") throw usage("--ticket-file names no file", "--ticket-file PATH");
  if (flags.ticketFile !== undefined) return await fromFile(resolve(io.cwd, flags.ticketFile));
  const fromEnvironment = options.environment ? io.env["DRV_THRU_TICKET"]?.trim() : undefined;
  return fromEnvironment === "" ? undefined : fromEnvironment;
}

/** The builder that `--server` names. */
async function serverFrom(flags: TargetFlags): Promise<ServerTarget | undefined> {
  if (flags.server === undefined) return undefined;
  const endpointId = flags.server.trim().toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(endpointId)) {
    throw usage(
      `--server ${quoted(flags.server)} is not an endpoint id (64 hex digits)`,
      "on the builder: drv-thru status",
    );
  }
  await checkPlaces(flags.relayUrl ?? [], flags.address ?? []);
  return { endpointId, relayUrls: flags.relayUrl ?? [], addresses: flags.address ?? [] };
}

async function checkPlaces(relayUrls: readonly string[], addresses: readonly string[]): Promise<void> {
  if (relayUrls.length + addresses.length === 0) return;
  const { isAddress, isRelayUrl } = await import("../client/index.ts");
  for (const url of relayUrls) {
    if (!isRelayUrl(url)) throw usage(`--relay-url ${quoted(url)} is not the URL of a relay`, "https://HOST[:PORT]");
  }
  for (const address of addresses) {
    if (!isAddress(address)) {
      throw usage(`--address ${quoted(address)} is not IP:PORT`, "such as 203.0.113.7:4433 or [2001:db8::7]:4433");
    }
  }
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

async function fromFile(path: string): Promise<string> {
  try {
    return nonEmpty(await readSecret(createReadStream(path)), path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure("usage", "this machine", `the ticket file ${path} cannot be read: ${whyOf(error)}`, {
      cause: error,
      fix: "--ticket-file PATH takes a file that holds the ticket's text",
    });
  }
}

function nonEmpty(text: string, where: string): string {
  if (text === "") throw usage(`there is no ticket in ${where}`, "on the builder: drv-thru ticket create");
  return text;
}

function usage(message: string, fix: string): Failure {
  return new Failure("usage", "this machine", message, { fix });
}
