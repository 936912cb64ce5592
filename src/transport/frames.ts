/** What a frame carries. `idle` carries nothing: it only shows that the stream can still be written. */
export const FrameType = { head: 1, data: 2, end: 3, control: 4, idle: 5 } as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

/** Bytes of a frame's header: one of type, four of length (big-endian). */
export const frameHeaderBytes = 5;

/** Allowed payload lengths of each type, in bytes: `[least, most]`. */
export const frameLengths: Readonly<Record<FrameType, readonly [number, number]>> = {
  [FrameType.head]: [1, 64 * 1024],
  [FrameType.data]: [1, 1024 * 1024],
  [FrameType.end]: [0, 64 * 1024],
  [FrameType.control]: [1, 1024],
  [FrameType.idle]: [0, 0],
};

/** One frame, or with `data` a piece of one: its payload is passed on as it arrives. */
export interface Frame {
  readonly type: FrameType;
  readonly payload: Uint8Array;
}

/** The peer broke the rules of the framing. */
export class FrameError extends Error {
  override name = "FrameError";
}

/** One whole frame as bytes. Throws {@link FrameError} if the payload is too long for its type. */
export function encodeFrame(type: FrameType, payload: Uint8Array): Uint8Array {
  return concat([encodeFrameHeader(type, payload.length), payload]);
}

/** What comes before a payload of so many bytes. Throws {@link FrameError} if that is too long for its type. */
export function encodeFrameHeader(type: FrameType, length: number): Uint8Array {
  checkLength(type, length);
  const bytes = new Uint8Array(frameHeaderBytes);
  new DataView(bytes.buffer).setUint32(1, length);
  bytes[0] = type;
  return bytes;
}

function checkLength(type: FrameType, length: number): void {
  const [least, most] = frameLengths[type];
  if (length < least || length > most) throw new FrameError(`frame of type ${type} with ${length} bytes`);
}

function isFrameType(byte: number): byte is FrameType {
  return byte in frameLengths;
}

/** Cuts bytes, however fragmented, into frames. After it has thrown it must not be fed again. */
export class FrameDecoder {
  readonly #header = new Uint8Array(frameHeaderBytes);
  #headerFilled = 0;
  #type: FrameType = FrameType.idle;
  #left = 0;
  /** Collects a payload that must be whole; `data` needs none. */
  #whole: Uint8Array | undefined;

  /** True when the bytes so far end inside a frame. */
  get midFrame(): boolean {
    return this.#headerFilled > 0;
  }

  /** The frames that these bytes complete, with `data` in pieces. Throws {@link FrameError}. */
  feed(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let rest = chunk;
    while (rest.length > 0)
      rest = this.#headerFilled < frameHeaderBytes ? this.#readHeader(rest, frames) : this.#payload(rest, frames);
    return frames;
  }

  #readHeader(rest: Uint8Array, frames: Frame[]): Uint8Array {
    const take = Math.min(frameHeaderBytes - this.#headerFilled, rest.length);
    this.#header.set(rest.subarray(0, take), this.#headerFilled);
    this.#headerFilled += take;
    if (this.#headerFilled === frameHeaderBytes) this.#begin(frames);
    return rest.subarray(take);
  }

  #begin(frames: Frame[]): void {
    const view = new DataView(this.#header.buffer);
    const type = view.getUint8(0);
    if (!isFrameType(type)) throw new FrameError(`frame of unknown type ${type}`);
    this.#left = view.getUint32(1);
    checkLength(type, this.#left);
    this.#type = type;
    this.#whole = type === FrameType.data ? undefined : new Uint8Array(this.#left);
    if (this.#left === 0) this.#finish(frames);
  }

  #payload(rest: Uint8Array, frames: Frame[]): Uint8Array {
    const piece = rest.subarray(0, this.#left);
    if (this.#whole === undefined) frames.push({ type: this.#type, payload: piece });
    else this.#whole.set(piece, this.#whole.length - this.#left);
    this.#left -= piece.length;
    if (this.#left === 0) this.#finish(frames);
    return rest.subarray(piece.length);
  }

  #finish(frames: Frame[]): void {
    if (this.#whole !== undefined) frames.push({ type: this.#type, payload: this.#whole });
    this.#whole = undefined;
    this.#headerFilled = 0;
  }
}

/** Joins byte arrays; one alone is passed on as it is. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
