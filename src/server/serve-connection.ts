import { createContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import type { Logger } from "pino";
import type { Session } from "../lib/stream.ts";
import { type ServedSession, serveSession } from "../transport/server.ts";
import { type Connection, connectionKey, OpensUnderWay } from "./connection.ts";
import { type Gate, gateKey } from "./principal.ts";

/** What a connection is served with. */
export interface ConnectionParts {
  readonly handlers: readonly UniversalHandler[];
  readonly gate: Gate;
  /** Aborted when the builder stops. */
  readonly drain: AbortSignal;
  readonly log: Logger;
}

/** Answers the calls of one connection, behind its gate. */
export function serveConnection(session: Session, { handlers, gate, drain, log }: ConnectionParts): ServedSession {
  const ended = new AbortController();
  const connection: Connection = { ended: ended.signal, opens: new OpensUnderWay(), peer: session.peer };
  const served = serveSession(session, handlers, {
    contextValues: () => createContextValues().set(gateKey, gate).set(connectionKey, connection),
    drain,
    onError: (error, path) => log.error({ err: error, rpc: path }, "a handler broke"),
  });
  void served.closed.then(end => ended.abort(new Error(`the connection ended: ${end.kind} ${end.reason}`)));
  return served;
}
