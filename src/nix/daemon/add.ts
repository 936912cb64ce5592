import type { AddOptions, NarItem } from "../store.ts";
import type { StorePath } from "../store-path.ts";
import type { Connection } from "./connection.ts";
import type { Refusal } from "./error.ts";
import { readReply } from "./reply.ts";
import { Sender } from "./sender.ts";

/**
 * Adds paths, pipelined: a sender writes while the replies are read here. After the first error, of the daemon or of the items, nothing more is
 * sent, what is under way is waited for, and the error is thrown; the connection stays usable. A consumer that leaves early ends it.
 */
export async function* addPaths(
  connection: Connection,
  items: AsyncIterable<NarItem>,
  { dontCheckSignatures = false }: AddOptions,
): AsyncGenerator<StorePath> {
  const done = await connection.begin();
  const sender = new Sender(connection.wire, items, dontCheckSignatures);
  const deaf = connection.wire.onEnd(error => sender.stop(error));
  let refused: Refusal | undefined;
  let complete = false;
  try {
    for (let sent = await sender.next(); sent; sent = await sender.next()) {
      const refusal = await readReply(connection.wire.reader);
      sender.acknowledge(sent);
      // An archive that was given up is refused for being short: the reason is the sender's.
      if (sent.givenUp) continue;
      if (refusal) {
        refused ??= refusal;
        sender.stop();
      } else {
        yield sent.path;
      }
    }
    complete = true;
  } finally {
    deaf();
    sender.stop();
    if (!complete) connection.wire.destroy();
    done();
  }
  if (refused) throw refused;
  sender.rethrow();
}
