import type { Binding } from "./binding.ts";

/** Bytes in one write of the binding: each 64 KiB would hold the thread 3 to 5 ms, half of it keeps other calls quick. */
export const pieceBytes = 32 * 1024;

/**
 * Bytes that one read asks for. An array of so many numbers just fits among V8's new objects; a larger one would be a page of its own, which is freed later, and
 * brings no more speed.
 */
export const readBytes = 16_128;

/** Converts between bytes and what a binding moves them as. */
export interface ByteConverter {
  /** At most {@link pieceBytes} for a stream. Valid until the next call. */
  toNative(bytes: Uint8Array): number[];
  /** A copy that the binding may keep. */
  toNativeCopy(bytes: Uint8Array): number[];
  fromNative(native: ArrayLike<number>): Uint8Array;
}

/**
 * The converter of this binding. @number0/iroh 1.1.0 moves bytes as arrays of numbers; its next version is to take `Uint8Array`
 * alone, without a copy. Which one it is shows in what it returns.
 */
export function byteConverter({ SecretKey }: Binding): ByteConverter {
  return Array.isArray(SecretKey.generate().toBytes()) ? arrays() : buffers();
}

/** Plain loops: 10 times as fast as `Array.from` and `Uint8Array.from` on what the binding makes and takes. */
function arrays(): ByteConverter {
  // The binding copies before its call returns, so one array serves every stream.
  const scratch: number[] = [];
  return {
    toNative(bytes) {
      const { length } = bytes;
      scratch.length = length;
      for (let i = 0; i < length; i++) scratch[i] = bytes[i] as number;
      return scratch;
    },
    toNativeCopy: bytes => Array.from(bytes),
    fromNative(native) {
      const { length } = native;
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = native[i] as number;
      return bytes;
    },
  };
}

/** The binding reads a `Uint8Array` while a write is pending: it needs bytes that nobody changes. */
function buffers(): ByteConverter {
  const copy = (bytes: Uint8Array): number[] => {
    const copied: object = Uint8Array.from(bytes);
    return copied as number[];
  };
  return { toNative: copy, toNativeCopy: copy, fromNative: native => Uint8Array.from(native) };
}
