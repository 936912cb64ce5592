import type { Database, RootDatabase } from "lmdb";
import type { BuildId, TicketId } from "../lib/ids.ts";
import type { GivenBack } from "../tickets/given-back.ts";
import type { Ticket } from "../tickets/ticket.ts";
import { type Credential, credentialKey, type Owner } from "../tickets/use.ts";
import { decodeBuild, decodeGivenBack, decodeTicket, encodeBuild, encodeGivenBack, encodeTicket } from "./codec.ts";
import { EndedBuilds } from "./ended.ts";
import type { StoredBuild } from "./state.ts";

type Index = Database<string, (string | number)[]>;

/** The tables and their indexes. `put…` keep both in step and must run inside a transaction. */
export class Tables {
  readonly #tickets: Database<unknown, string>;
  readonly #ticketsByAge: Index;
  readonly #builds: Database<unknown, string>;
  readonly #buildsByOwner: Index;
  readonly #unfinished: Index;
  readonly #ended: EndedBuilds;
  readonly #givenBack: Database<unknown, string>;

  constructor(root: RootDatabase<unknown, string>) {
    this.#tickets = root.openDB({ name: "tickets" });
    this.#ticketsByAge = root.openDB({ name: "tickets-by-age" });
    this.#builds = root.openDB({ name: "builds" });
    this.#buildsByOwner = root.openDB({ name: "builds-by-owner" });
    this.#unfinished = root.openDB({ name: "unfinished-builds" });
    this.#ended = new EndedBuilds(root);
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
    return [...this.#builtOf(this.#ended.newest(limit))];
  }

  get endedCount(): number {
    return this.#ended.count;
  }

  /** All ended builds, newest first. */
  ended(): Iterable<StoredBuild> {
    return this.#builtOf(this.#ended.newest());
  }

  /** Makes good what an earlier version of this program has not counted. */
  countEnded(): void {
    if (!this.#ended.isCounted()) this.#ended.recount(this.ended());
  }

  putBuild(build: StoredBuild): void {
    this.#builds.put(build.id, encodeBuild(build));
    this.#buildsByOwner.put(ownerKey(build), build.id);
    if (build.end === undefined) {
      this.#unfinished.put([build.openedAt, build.id], build.id);
    } else {
      this.#unfinished.remove([build.openedAt, build.id]);
      this.#ended.add(build);
    }
  }

  givenBack(credential: Credential): GivenBack | undefined {
    const value = this.#givenBack.get(credentialKey(credential));
    return value === undefined ? undefined : decodeGivenBack(value);
  }

  putGivenBack(credential: Credential, value: GivenBack): void {
    this.#givenBack.put(credentialKey(credential), encodeGivenBack(value));
  }

  /** Forgets ended builds beyond so many, and says which. */
  forgetEnded(keep: number): BuildId[] {
    const forgotten: BuildId[] = [];
    while (this.#ended.count > keep) {
      const [build] = this.#builtOf([this.#ended.next() ?? ""]);
      if (build === undefined) throw new Error("a build that is counted is not kept");
      this.#builds.remove(build.id);
      this.#buildsByOwner.remove(ownerKey(build));
      this.#ended.remove(build);
      forgotten.push(build.id);
    }
    return forgotten;
  }

  #listed(index: Index, range: Parameters<Index["getRange"]>[0]): StoredBuild[] {
    return [...this.#builtOf([...index.getRange(range)].map(entry => entry.value))];
  }

  *#builtOf(ids: Iterable<string>): Generator<StoredBuild> {
    for (const id of ids) {
      const value = this.#builds.get(id);
      if (value !== undefined) yield decodeBuild(value);
    }
  }
}

function ownerKey(build: StoredBuild): (string | number)[] {
  const { credential, client } = build.owner;
  return [credential.kind, credential.id, client, build.openedAt, build.id];
}
