import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { type Database, open, type RootDatabase } from "lmdb";
import { BuildOpenRequestSchema, BuildOutcome, BuildResultSchema } from "../../gen/drvthru/v1/build_pb.js";
import { DATABASE } from "../../src/state/database.ts";
import type { StoredBuild } from "../../src/state/state.ts";
import { Tables } from "../../src/state/tables.ts";
import { end, id, keyOwner, ticket, ticketOwner } from "./samples.ts";

/** What a builder has behind it. */
export interface History {
  readonly tickets: number;
  /** Builds that have ended; every second is of one trusted client, the others each of a ticket. */
  readonly builds: number;
}

const RESULT = toBinary(
  BuildResultSchema,
  create(BuildResultSchema, { outcome: BuildOutcome.FAILED, message: "a message of usual length" }),
);
const REQUEST = toBinary(
  BuildOpenRequestSchema,
  create(BuildOpenRequestSchema, {
    targets: [
      {
        drvPath: "/nix/store/ffffffffffffffffffffffffffffffff-hello-2.12.1.drv",
        outputs: [{ name: "out", path: "/nix/store/ffffffffffffffffffffffffffffffff-hello-2.12.1" }],
      },
    ],
  }),
);

/** Opens the database of a data folder, and writes a history into it at once. */
export function databaseWith(
  folder: string,
  { tickets, builds }: History,
  changes: Partial<StoredBuild> = {},
): RootDatabase<unknown, string> {
  const root = open<unknown, string>({ ...DATABASE, path: join(folder, "state") });
  const tables = new Tables(root);
  root.transactionSync(() => {
    for (let n = 0; n < tickets; n++) tables.putTicket(ticket(n, { createdAt: n }));
    for (let n = 0; n < builds; n++) tables.putBuild({ ...ended(n, tickets), ...changes });
  });
  return root;
}

function ended(n: number, tickets: number) {
  return {
    id: id.build(n),
    owner: n % 2 === 0 || tickets === 0 ? keyOwner(1) : ticketOwner(n % tickets, 2),
    digest: "d1".repeat(32),
    request: REQUEST,
    installable: "nixpkgs#hello",
    clientName: "ticket:friend",
    use: n % 5 === 0 ? "refunded" : "committed",
    openedAt: n,
    committedAt: n,
    end: { ...end(n), result: RESULT },
  } as const;
}

/** The same database, with a count of the records and keys that were read from it. */
export function counted(root: RootDatabase<unknown, string>): {
  readonly root: RootDatabase<unknown, string>;
  readonly reads: { count: number };
} {
  const reads = { count: 0 };
  const proxy = new Proxy(root, {
    get(target, name) {
      if (name === "openDB") return (options: { name: string }) => countedDatabase(target.openDB(options), reads);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { root: proxy, reads };
}

function countedDatabase(database: Database, reads: { count: number }): Database {
  return new Proxy(database, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        const result: unknown = Reflect.apply(value, target, args);
        if (name === "get" || name === "doesExist") reads.count += 1;
        if (name === "getKeysCount" && typeof result === "number") reads.count += result;
        if (name !== "getRange" && name !== "getKeys") return result;
        const entries = [...(result as Iterable<unknown>)];
        reads.count += entries.length;
        return entries;
      };
    },
  });
}
