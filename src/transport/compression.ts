import { promisify } from "node:util";
import { constants, gunzip, gzip, zstdCompress, zstdDecompress } from "node:zlib";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";

type Decompress = (bytes: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

/** A Connect message compression from two functions of node:zlib, which run outside the JavaScript thread. */
function compression(
  name: string,
  compress: (bytes: Uint8Array) => Promise<Buffer>,
  decompress: Decompress,
): Compression {
  return {
    name,
    compress: async bytes => plain(await compress(bytes)),
    decompress: async (bytes, readMaxBytes) => {
      if (bytes.length === 0) return new Uint8Array(0);
      try {
        return plain(await decompress(bytes, { maxOutputLength: Math.max(1, readMaxBytes) }));
      } catch (error) {
        throw decompressError(name, readMaxBytes, error);
      }
    },
  };
}

/** A Buffer would turn every `bytes` field into a Buffer, whose `slice` shares memory. */
function plain(buffer: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer);
}

function decompressError(name: string, readMaxBytes: number, cause: unknown): ConnectError {
  if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") {
    const message = `message is larger than ${readMaxBytes} bytes after decompression`;
    return new ConnectError(message, Code.ResourceExhausted, undefined, undefined, cause);
  }
  return new ConnectError(`message is not valid ${name}`, Code.InvalidArgument, undefined, undefined, cause);
}

/** gzip, at zlib's default level. */
export const gzipCompression: Compression = compression("gzip", promisify(gzip), promisify(gunzip));

/** A peer chooses the window, which is allocated before the first byte comes out: 8 MiB are enough for any message. */
const zstdParams = { [constants.ZSTD_d_windowLogMax]: 23 };

/** Zstandard, at zlib's default level. */
export const zstdCompression: Compression = compression("zstd", promisify(zstdCompress), (bytes, options) =>
  promisify(zstdDecompress)(bytes, { ...options, params: zstdParams }),
);
