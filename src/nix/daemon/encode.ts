/** A value that has one form on the wire: a number, a string with padding, or a counted list of strings. */
export type Field = number | bigint | boolean | string | readonly string[];

/** The bytes of these fields, one after the other. */
export function encode(...fields: readonly Field[]): Buffer {
  let size = 0;
  for (const field of fields) size += sizeOf(field);
  const bytes = Buffer.alloc(size);
  let at = 0;
  for (const field of fields) at = put(bytes, at, field);
  return bytes;
}

function sizeOf(field: Field): number {
  if (typeof field === "string") return 8 + padded(Buffer.byteLength(field));
  if (typeof field !== "object") return 8;
  let size = 8;
  for (const text of field) size += sizeOf(text);
  return size;
}

function put(bytes: Buffer, at: number, field: Field): number {
  if (typeof field === "string") {
    const length = bytes.write(field, at + 8);
    bytes.writeBigUInt64LE(BigInt(length), at);
    return at + 8 + padded(length);
  }
  if (typeof field === "object") {
    let next = put(bytes, at, field.length);
    for (const text of field) next = put(bytes, next, text);
    return next;
  }
  bytes.writeBigUInt64LE(BigInt(field), at);
  return at + 8;
}

/** A length rounded up to the next multiple of eight. */
export function padded(length: number): number {
  return Math.ceil(length / 8) * 8;
}
