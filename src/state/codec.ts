import { Failure } from "../lib/failure.ts";
import { type BuildId, type ClientId, parseId, type TicketId } from "../lib/ids.ts";
import type { GivenBack } from "../tickets/given-back.ts";
import type { Ticket } from "../tickets/ticket.ts";
import type { Credential, UseState } from "../tickets/use.ts";
import type { BuildEnd, StoredBuild } from "./state.ts";

/** The version of every value in the database. A reader knows its own and refuses newer ones. */
export const FORMAT = 1;

/** A ticket as it is written. */
export function encodeTicket(ticket: Ticket): object {
  return { v: FORMAT, ...defined(ticket) };
}

/** A ticket as it was written. Throws a {@link Failure} if the value is damaged or newer. */
export function decodeTicket(value: unknown): Ticket {
  const fields = new Fields("ticket", value);
  return {
    id: fields.id<TicketId>("id"),
    name: fields.text("name"),
    createdAt: fields.number("createdAt"),
    expiresAt: fields.number("expiresAt"),
    uses: fields.optional("uses", fields.number),
    committed: fields.number("committed"),
    reserved: fields.number("reserved"),
    maxBuildSeconds: fields.number("maxBuildSeconds"),
    maxUploadBytes: fields.number("maxUploadBytes"),
    ...received(fields.optional("receivedBytes", fields.number)),
    boundClient: fields.optional("boundClient", fields.id<ClientId>),
    revokedAt: fields.optional("revokedAt", fields.number),
    ...(fields.flag("noAddresses") ? { noAddresses: true } : {}),
    sealedSecret: fields.bytes("sealedSecret"),
  };
}

function received(receivedBytes: number | undefined): Pick<Ticket, "receivedBytes"> {
  return receivedBytes === undefined ? {} : { receivedBytes };
}

/** A build as it is written. */
export function encodeBuild(build: StoredBuild): object {
  const { owner, end, ...rest } = build;
  const { kind, id } = owner.credential;
  return {
    v: FORMAT,
    ...defined(rest),
    credentialKind: kind,
    credential: id,
    client: owner.client,
    ...(end === undefined ? {} : { end: { v: FORMAT, ...end } }),
  };
}

/** A build as it was written. Throws likewise. */
export function decodeBuild(value: unknown): StoredBuild {
  const fields = new Fields("build", value);
  const client = fields.id<ClientId>("client");
  return {
    id: fields.id<BuildId>("id"),
    owner: { credential: credential(fields), client },
    digest: fields.text("digest"),
    request: fields.bytes("request"),
    installable: fields.text("installable"),
    clientName: fields.text("clientName"),
    use: useState(fields),
    openedAt: fields.number("openedAt"),
    committedAt: fields.optional("committedAt", fields.number),
    ...received(fields.optional("receivedBytes", fields.number)),
    end: fields.optional("end", fields.end),
  };
}

/** What was given back, as it is written. */
export function encodeGivenBack(value: GivenBack): object {
  return { v: FORMAT, ...value };
}

/** What was given back, as it was written. Throws likewise. */
export function decodeGivenBack(value: unknown): GivenBack {
  const fields = new Fields("credential", value);
  return { since: fields.number("since"), bytes: fields.number("bytes") };
}

function credential(fields: Fields): Credential {
  const kind = fields.text("credentialKind");
  if (kind === "ticket") return { kind, id: fields.id<TicketId>("credential") };
  if (kind === "client-key") return { kind, id: fields.id<ClientId>("credential") };
  throw fields.damaged("credentialKind");
}

function useState(fields: Fields): UseState {
  const use = fields.text("use");
  if (use === "reserved" || use === "committed" || use === "refunded") return use;
  throw fields.damaged("use");
}

/** Absent stands for `undefined`: the encoding has no word for it that other programs would read. */
function defined(record: object): object {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}

class Fields {
  readonly #what: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(what: string, value: unknown) {
    this.#what = what;
    this.#fields = typeof value === "object" && value !== null ? { ...value } : {};
    if (this.number("v") > FORMAT) throw newerState();
  }

  damaged(name: string): Failure {
    return new Failure("failed", "the builder", `the state's record of a ${this.#what} is damaged: ${name}`);
  }

  number = (name: string): number => {
    const value = this.#fields[name];
    if (typeof value === "number" && Number.isSafeInteger(value)) return value;
    throw this.damaged(name);
  };

  flag(name: string): boolean {
    return this.#fields[name] === true;
  }

  text = (name: string): string => {
    const value = this.#fields[name];
    if (typeof value === "string") return value;
    throw this.damaged(name);
  };

  bytes = (name: string): Uint8Array => {
    const value = this.#fields[name];
    if (value instanceof Uint8Array) return Uint8Array.from(value);
    throw this.damaged(name);
  };

  id = <Id extends TicketId | ClientId | BuildId>(name: string): Id => {
    const id = parseId<Id>(this.text(name));
    if (id !== undefined) return id;
    throw this.damaged(name);
  };

  end = (name: string): BuildEnd => {
    const fields = new Fields("build's end", this.#fields[name]);
    return {
      at: fields.number("at"),
      result: fields.bytes("result"),
      uploadedBytes: fields.number("uploadedBytes"),
      downloadedBytes: fields.number("downloadedBytes"),
    };
  };

  optional<T>(name: string, read: (name: string) => T): T | undefined {
    return this.#fields[name] === undefined ? undefined : read(name);
  }
}

/** What is thrown at a database that a newer version of drv-thru has written. */
export function newerState(): Failure {
  return new Failure("failed", "the builder", "the builder's state was written by a newer version of drv-thru", {
    fix: "update drv-thru, or use another data folder with --data-dir",
  });
}
