import type { Database, RootDatabase } from "lmdb";
import { credentialKey } from "../tickets/use.ts";
import type { StoredBuild } from "./state.ts";

type Key = (string | number)[];
type Index = Database<string, Key>;

/** How many ended builds a credential has, and which place that gives it among the others. */
interface Group {
  readonly count: number;
  readonly place: Key;
}

const ALL = "all";

/**
 * Which builds have ended, by age, and which of them are forgotten first. That is always one of the credential that has most: so nobody pushes out what
 * others have still to fetch. Of its builds the oldest that was given back goes first, then the oldest; of credentials with equally many, the one of which
 * that is the least. Each question costs the same however many builds there are. All but reading must run inside a transaction.
 */
export class EndedBuilds {
  readonly #byAge: Index;
  /** Of each credential, in the order in which they are forgotten. */
  readonly #ofCredential: Index;
  readonly #groups: Database<unknown, string>;
  /** The credentials, by how many builds they have; the last is the one that loses a build next. */
  readonly #places: Index;

  constructor(root: RootDatabase<unknown, string>) {
    this.#byAge = root.openDB({ name: "ended-builds" });
    this.#ofCredential = root.openDB({ name: "ended-builds-of-credential" });
    this.#groups = root.openDB({ name: "ended-builds-counted" });
    this.#places = root.openDB({ name: "ended-builds-places" });
  }

  /** Ids, newest first. */
  newest(limit?: number): string[] {
    const range = this.#byAge.getRange({ reverse: true, ...(limit !== undefined && { limit }) });
    return [...range].map(entry => entry.value);
  }

  get count(): number {
    const count = this.#groups.get(ALL);
    return typeof count === "number" ? count : 0;
  }

  /** Whether the counts fit what is there: not in a database that an earlier version of this program made. Reads all keys. */
  isCounted(): boolean {
    return this.count === this.#byAge.getKeysCount();
  }

  /** Counts anew. */
  recount(builds: Iterable<StoredBuild>): void {
    for (const index of [this.#ofCredential, this.#places]) for (const key of [...index.getKeys()]) index.remove(key);
    for (const key of [...this.#groups.getKeys()]) this.#groups.remove(key);
    for (const build of builds) this.#count(build, 1);
  }

  /** Takes up a build that has an end; the same again changes nothing. */
  add(build: StoredBuild): void {
    const key = ageKey(build);
    if (this.#byAge.doesExist(key)) return;
    this.#byAge.put(key, build.id);
    this.#count(build, 1);
  }

  remove(build: StoredBuild): void {
    this.#byAge.remove(ageKey(build));
    this.#count(build, -1);
  }

  /** The build that is forgotten next. */
  next(): string | undefined {
    const [most] = this.#places.getRange({ reverse: true, limit: 1 });
    return most?.value;
  }

  #count(build: StoredBuild, by: 1 | -1): void {
    const { credential } = build.owner;
    const key = orderKey(build);
    if (by === 1) this.#ofCredential.put(key, build.id);
    else this.#ofCredential.remove(key);
    this.#groups.put(ALL, this.count + by);
    const name = credentialKey(credential);
    const before = asGroup(this.#groups.get(name));
    if (before !== undefined) this.#places.remove(before.place);
    const [first] = this.#ofCredential.getRange({ start: [name], end: [name, Number.MAX_VALUE], limit: 1 });
    if (first === undefined) {
      this.#groups.remove(name);
      return;
    }
    const [, rank, at] = first.key;
    const count = (before?.count ?? 0) + by;
    // Never a minus: the encoding of keys has no order for -0.
    const place = [count, 1 - Number(rank), Number.MAX_SAFE_INTEGER - Number(at), name];
    this.#places.put(place, first.value);
    this.#groups.put(name, { count, place });
  }
}

function asGroup(value: unknown): Group | undefined {
  if (typeof value !== "object" || value === null || !("count" in value) || !("place" in value)) return undefined;
  const { count, place } = value;
  if (typeof count !== "number" || !Array.isArray(place)) return undefined;
  return { count, place: place.filter(part => typeof part === "string" || typeof part === "number") };
}

function ageKey(build: StoredBuild): Key {
  return [endOf(build), build.id];
}

/** What was given back comes first. */
function orderKey(build: StoredBuild): Key {
  return [credentialKey(build.owner.credential), build.use === "refunded" ? 0 : 1, endOf(build), build.id];
}

function endOf({ id, end }: StoredBuild): number {
  if (end === undefined) throw new Error(`the build ${id} has not ended`);
  return end.at;
}
