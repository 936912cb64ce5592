import type { Store } from "../store.ts";
import { addPaths } from "./add.ts";
import { build } from "./build.ts";
import { closure } from "./closure.ts";
import type { Connection } from "./connection.ts";
import { nars } from "./nars.ts";
import { addIndirectRoot, addTempRoots, outputPaths, pathInfos, queryMissing, validPaths } from "./queries.ts";

/** The store that a connection speaks for. */
export function daemonStore(connection: Connection): Store {
  const infosOf: Store["pathInfos"] = paths => pathInfos(connection, paths);
  return {
    nixVersion: connection.greeting.nixVersion,
    trust: connection.greeting.trust,
    validPaths: async (paths, options = {}) => validPaths(connection, paths, options.substitute ?? false),
    pathInfos: async paths => infosOf(paths),
    closure: async paths => closure(paths, infosOf),
    addTempRoots: async paths => addTempRoots(connection, paths),
    addIndirectRoot: async link => addIndirectRoot(connection, link),
    nars: (infos, options = {}) => nars(connection, infos, options),
    add: (items, options = {}) => addPaths(connection, items, options),
    build: async (targets, options, onEvent) => build(connection, targets, options, onEvent),
    queryMissing: async targets => queryMissing(connection, targets),
    outputPaths: async drvs => outputPaths(connection, drvs),
    close: () => connection.wire.destroy(),
  };
}
