import { type ContextKey, createContextKey, type HandlerContext } from "@connectrpc/connect";

/** The carrier of a call, as far as the services care: a build lives while one of them that has touched it does. */
export interface Connection {
  /** Aborted when the connection has ended. */
  readonly ended: AbortSignal;
  /** Its calls of `Open` that are not answered yet. */
  readonly opens: OpensUnderWay;
  /** The peer's endpoint id, where the carrier proves one. */
  readonly peer?: string | undefined;
}

/** Calls of `Open` that are not answered yet: a call about the build that goes out beside one waits here, instead of a round trip more. */
export class OpensUnderWay {
  readonly #answers = new Set<Promise<void>>();

  /** One has come; its answer is out when the signal fires. */
  begin(answered: AbortSignal): void {
    const answer = new Promise<void>(resolve => {
      if (answered.aborted) resolve();
      else answered.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#answers.add(answer);
    void answer.then(() => this.#answers.delete(answer));
  }

  /** Resolves when all that have come are answered. */
  async answered(): Promise<void> {
    await Promise.all(this.#answers);
  }
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
