import type { Database, RootDatabase } from "lmdb";
import type { BuildId, TicketId } from "../lib/ids.ts";
import type { GivenBack } from "../tickets/given-back.ts";
import type { Ticket } from "../tickets/ticket.ts";
import type { Credential, Owner } from "../tickets/use.ts";
import { decodeBuild, decodeGivenBack, decodeTicket, encodeBuild, encodeGivenBack, encodeTicket } from "./codec.ts";
import type { StoredBuild } from "./state.ts";

type Index = Database<string, (string | number)[]>;

/** The tables and their indexes. `put…` keep both in step and must run inside a transaction. */
export class Tables {
  readonly #tickets: Database<unknown, string>;
  readonly #ticketsByAge: Index;
  readonly #builds: Database<unknown, string>;
  readonly #buildsByOwner: Index;
  readonly #unfinished: Index;
  readonly #ended: Index;
  readonly #givenBack: Database<unknown, string>;

  constructor(root: RootDatabase<unknown, string>) {
    this.#tickets = root.openDB({ name: "tickets" });
    this.#ticketsByAge = root.openDB({ name: "tickets-by-age" });
    this.#builds = root.openDB({ name: "builds" });
    this.#buildsByOwner = root.openDB({ name: "builds-by-owner" });
    this.#unfinished = root.openDB({ name: "unfinished-builds" });
    this.#ended = root.openDB({ name: "ended-builds" });
    this.#givenBack = root.openDB({ name: "given-back" });
  }

  ticket(id: TicketId): Ticket | undefined {
    const value = this.#tickets.get(id);
    return value === undefined ? undefined : decodeTicket(value);
  }

  ticketsByPrefix(prefix: string, limit: number): Ticket[] {
    // "g" sorts after every hex digit.
    return [...this.#tickets.getRange({ start: prefix, end: `${prefix}g`, limit })].map(entry =>
      decodeTicket(entry.value),
    );
  }

  *tickets(): Iterable<Ticket> {
    for (const { value } of this.#ticketsByAge.getRange({ snapshot: false })) {
      const ticket = this.#tickets.get(value);
      if (ticket !== undefined) yield decodeTicket(ticket);
    }
  }

  putTicket(ticket: Ticket): void {
    this.#tickets.put(ticket.id, encodeTicket(ticket));
    this.#ticketsByAge.put([ticket.createdAt, ticket.id], ticket.id);
  }

  build(id: BuildId): StoredBuild | undefined {
    const value = this.#builds.get(id);
    return value === undefined ? undefined : decodeBuild(value);
  }

  buildsOf(owner: Owner, limit: number): StoredBuild[] {
    const { kind, id } = owner.credential;
    const range = { start: [kind, id, owner.client, Number.MAX_VALUE], end: [kind, id, owner.client, -1] };
    return this.#listed(this.#buildsByOwner, { ...range, reverse: true, limit });
  }

  unfinished(): StoredBuild[] {
    return this.#listed(this.#unfinished, {});
  }

  recent(limit: number): StoredBuild[] {
    return this.#listed(this.#ended, { reverse: true, limit });
  }

  endedCount(): number {
    return this.#ended.getKeysCount();
  }

  /** All ended builds, newest first. */
  ended(): StoredBuild[] {
    return this.#listed(this.#ended, { reverse: true });
  }

  putBuild(build: StoredBuild): void {
    this.#builds.put(build.id, encodeBuild(build));
    this.#buildsByOwner.put(ownerKey(build), build.id);
    if (build.end === undefined) {
      this.#unfinished.put([build.openedAt, build.id], build.id);
    } else {
      this.#unfinished.remove([build.openedAt, build.id]);
      this.#ended.put([build.end.at, build.id], build.id);
    }
  }

  givenBack({ kind, id }: Credential): GivenBack | undefined {
    const value = this.#givenBack.get(`${kind} ${id}`);
    return value === undefined ? undefined : decodeGivenBack(value);
  }

  putGivenBack({ kind, id }: Credential, value: GivenBack): void {
    this.#givenBack.put(`${kind} ${id}`, encodeGivenBack(value));
  }

  removeEnded(build: StoredBuild): void {
    if (build.end === undefined) throw new Error("a build that has not ended cannot be forgotten");
    this.#builds.remove(build.id);
    this.#buildsByOwner.remove(ownerKey(build));
    this.#ended.remove([build.end.at, build.id]);
  }

  #listed(index: Index, range: Parameters<Index["getRange"]>[0]): StoredBuild[] {
    const ids = [...index.getRange(range)].map(entry => entry.value);
    return ids
      .map(id => this.#builds.get(id))
      .filter(value => value !== undefined)
      .map(decodeBuild);
  }
}

function ownerKey(build: StoredBuild): (string | number)[] {
  const { credential, client } = build.owner;
  return [credential.kind, credential.id, client, build.openedAt, build.id];
}
