import type { StoreEvent } from "../store.ts";
import type { ByteReader } from "./bytes.ts";
import { protocolError, type Refusal, refusal } from "./error.ts";
import { Limit, Tag } from "./protocol.ts";

/**
 * Reads what the daemon says before the fields of a reply, up to its end.
 * A refusal is returned, no fields follow it, and the conversation goes on; what is thrown ends the conversation.
 */
export async function readReply(from: ByteReader, onEvent?: (event: StoreEvent) => void): Promise<Refusal | undefined> {
  for (;;) {
    const tag = await from.int();
    if (tag === Tag.last) return undefined;
    if (tag === Tag.error) return refusal(await readError(from));
    const event = await readEvent(from, tag);
    onEvent?.(event);
  }
}

async function readEvent(from: ByteReader, tag: number): Promise<StoreEvent> {
  switch (tag) {
    case Tag.next:
      return { kind: "message", text: await from.string(Limit.text) };
    case Tag.startActivity: {
      const activity = await from.big();
      await from.big(); // the level
      const type = await from.int();
      const text = await from.string(Limit.text);
      return { kind: "start", activity, type, text, fields: await readFields(from), parent: await from.big() };
    }
    case Tag.stopActivity:
      return { kind: "stop", activity: await from.big() };
    case Tag.result:
      return {
        kind: "result",
        activity: await from.big(),
        type: await from.int(),
        fields: await readFields(from),
      };
    default:
      // STDERR_READ and STDERR_WRITE too: they serve operations that are not used here.
      throw protocolError(`the tag 0x${tag.toString(16)} in a reply`);
  }
}

async function readFields(from: ByteReader): Promise<(bigint | string)[]> {
  const fields: (bigint | string)[] = [];
  for (let left = await from.int(Limit.items); left > 0; left--) {
    const type = await from.int();
    if (type > 1) throw protocolError(`a field of the type ${type}`);
    fields.push(type === 0 ? await from.big() : await from.string(Limit.text));
  }
  return fields;
}

async function readError(from: ByteReader): Promise<string> {
  await from.string(Limit.word); // "Error"
  await from.big(); // the level
  await from.string(Limit.word); // "Error" again
  const message = await from.string(Limit.text);
  await skipPosition(from);
  for (let left = await from.int(Limit.items); left > 0; left--) {
    await skipPosition(from);
    await from.string(Limit.text);
  }
  return message;
}

async function skipPosition(from: ByteReader): Promise<void> {
  if (await from.bool()) throw protocolError("the position of an error");
}
