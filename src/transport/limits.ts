import type { ConnectRouterOptions } from "@connectrpc/connect";
import { gzipCompression, zstdCompression } from "./compression.ts";

/** Bounds of one Connect message, in bytes. Connect's own default is 4 GiB. */
export const messageLimits = {
  readMaxBytes: 4 * 1024 * 1024,
  writeMaxBytes: 4 * 1024 * 1024,
  compressMinBytes: 1024,
} as const;

/** What one session of a peer may hold at once. */
export interface SessionLimits {
  /** Calls whose handler has not settled, those that wait in a gate among them. The next one is refused and may be tried again. Default 256. */
  readonly maxCalls: number;
  /** Streams whose HEAD has not arrived. Further ones are not accepted until one has it or expires. Default 64. */
  readonly maxHalfOpen: number;
  /** Milliseconds that a stream may take for its HEAD. Default 10,000. */
  readonly headTimeoutMs: number;
  /** Cancels remembered whose HEAD has not arrived; the oldest is forgotten first. Default 256. */
  readonly maxEarlyCancels: number;
}

/** The limits where the server says nothing. */
export const defaultLimits: SessionLimits = {
  maxCalls: 256,
  maxHalfOpen: 64,
  headTimeoutMs: 10_000,
  maxEarlyCancels: 256,
};

/**
 * Options for `createConnectRouter` that fit {@link serveSession}: the Connect protocol alone, gzip and zstd, bounded messages. Spread yours
 * (`requestGate`, `interceptors`) after them.
 */
export const routerOptions: ConnectRouterOptions = {
  grpc: false,
  grpcWeb: false,
  acceptCompression: [zstdCompression, gzipCompression],
  ...messageLimits,
};
