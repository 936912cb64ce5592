import {
  create,
  type DescField,
  type DescMessage,
  type Message,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { messageLimits } from "./limits.ts";

/** From so many bytes on a field goes past Connect. */
export const LARGE = 16 * 1024;

/** A message in two parts: what Connect encodes, and what stands behind that on the wire. */
export interface Split {
  readonly rest: Message;
  /** In order: small ones made here, large ones uncopied. Empty: all is in `rest`. */
  readonly behind: readonly Uint8Array[];
}

/** Splits messages of one type. */
export type Splitter = (message: object) => Split;

/** What splits messages of this type, or `undefined` where none of its fields can be large: `bytes`, and lists of messages that have such. */
export function splitterOf(desc: DescMessage): Splitter | undefined {
  const own = bytesFields(desc);
  const lists = desc.fields.flatMap(field => {
    const inner = field.fieldKind === "list" && field.listKind === "message" ? bytesFields(field.message) : [];
    return field.fieldKind === "list" && field.message && inner.length > 0
      ? [{ field, inner, desc: field.message }]
      : [];
  });
  if (own.length + lists.length === 0) return undefined;
  return init => {
    const message: Message = create(desc, init as MessageInitShape<DescMessage>);
    const split = splitOwn(own, message) ?? first(lists, list => splitList(list, message));
    return split !== undefined && fits(desc, split) ? split : { rest: message, behind: [] };
  };
}

function bytesFields({ fields }: DescMessage): DescField[] {
  return fields.filter(field => field.fieldKind === "scalar" && field.scalar === ScalarType.BYTES);
}

/** The message without its large field, which stands behind it. */
function splitOwn(fields: readonly DescField[], message: Message): Split | undefined {
  const values = new Map<string, unknown>(Object.entries(message));
  for (const { oneof, localName, number } of fields) {
    const value = oneof ? chosen(values.get(oneof.localName), localName) : values.get(localName);
    if (!(value instanceof Uint8Array) || value.length < LARGE) continue;
    const without = oneof ? { case: undefined } : new Uint8Array();
    const head = new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(value.length).finish();
    return { rest: { ...message, [oneof?.localName ?? localName]: without }, behind: [head, value] };
  }
  return undefined;
}

function chosen(oneof: unknown, name: string): unknown {
  const is = typeof oneof === "object" && oneof !== null && "case" in oneof && oneof.case === name && "value" in oneof;
  return is ? oneof.value : undefined;
}

interface ListField {
  readonly field: DescField;
  /** Fields of its messages that may be large. */
  readonly inner: readonly DescField[];
  readonly desc: DescMessage;
}

/** The message with its list cut before the first element that has a large field: that and all after it stand behind. */
function splitList({ field, inner, desc }: ListField, message: Message): Split | undefined {
  const list: unknown = new Map<string, unknown>(Object.entries(message)).get(field.localName);
  if (!Array.isArray(list)) return undefined;
  const splits = list.map((element: Message) => splitOwn(inner, element) ?? { rest: element, behind: [] });
  const cut = splits.findIndex(({ behind }) => behind.length > 0);
  if (cut < 0) return undefined;
  const behind = splits.slice(cut).flatMap(split => {
    const encoded = toBinary(desc, split.rest);
    const head = new BinaryWriter().tag(field.number, WireType.LengthDelimited);
    return [
      head
        .uint32(encoded.length + total(split.behind))
        .raw(encoded)
        .finish(),
      ...split.behind,
    ];
  });
  return { rest: { ...message, [field.localName]: list.slice(0, cut) }, behind };
}

/** Whether a message may be sent: what is too large stays whole, and Connect refuses it in its own words. */
function fits(desc: DescMessage, { rest, behind }: Split): boolean {
  return toBinary(desc, rest).length + total(behind) <= messageLimits.writeMaxBytes;
}

/** Bytes of all together. */
export function total(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function first<T, R>(items: readonly T[], of: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = of(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
