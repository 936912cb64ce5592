import { type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";

/** The carrier of a call, as far as the services care: a build lives while one of them that has touched it does. */
export interface Connection {
  /** Aborted when the connection has ended. */
  readonly ended: AbortSignal;
  /** The peer's endpoint id, where the carrier proves one. */
  readonly peer?: string | undefined;
}

/** Holds the call's connection; whoever serves a session puts it into the context values. */
export const connectionKey: ContextKey<Connection | undefined> = createContextKey<Connection | undefined>(undefined, {
  description: "the connection of the call",
});

/** The call's connection. */
export function connectionOf(context: HandlerContext): Connection {
  const connection = context.values.get(connectionKey);
  if (connection === undefined) throw new Error("a call came without its connection in the context");
  return connection;
}
