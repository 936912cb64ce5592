import { create, createRegistry } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { type Code, ConnectError } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import { Compression as CompressionName } from "../../.cache/conformance/gen/connectrpc/conformance/v1/config_pb.js";
import {
  type ConformancePayload_RequestInfo,
  ConformancePayload_RequestInfoSchema,
  type Error as ErrorMessage,
  ErrorSchema,
  file_connectrpc_conformance_v1_service,
  type Header,
  HeaderSchema,
} from "../../.cache/conformance/gen/connectrpc/conformance/v1/service_pb.js";
import { gzipCompression, zstdCompression } from "../../src/transport/compression.ts";

/** Options for JSON that holds any of the runner's messages. */
export const jsonOptions = { registry: createRegistry(file_connectrpc_conformance_v1_service) };

/** Both of our compressions, as a peer under test accepts them. */
export const compressions: Compression[] = [gzipCompression, zstdCompression];

/** The compression that the runner means, or null for none. */
export function compressionOf(name: CompressionName): Compression | null {
  if (name === CompressionName.GZIP) return gzipCompression;
  return name === CompressionName.ZSTD ? zstdCompression : null;
}

/** Adds the runner's headers to others. */
export function addHeaders(from: readonly Header[], to: Headers): void {
  for (const { name, value } of from) for (const each of value) to.append(name, each);
}

/** Headers as the runner reads them: what `Headers` has joined comes apart again. */
export function toMessages(headers: Headers): Header[] {
  return [...headers].map(([name, value]) => create(HeaderSchema, { name, value: value.split(", ") }));
}

/** The error that a request asks for, with what the server saw of the request among its details. */
export function errorAskedFor(asked: ErrorMessage, info: ConformancePayload_RequestInfo | undefined): ConnectError {
  const code: Code = Number(asked.code);
  const error = new ConnectError(asked.message ?? "", code);
  const packed = info === undefined ? [] : [anyPack(ConformancePayload_RequestInfoSchema, info)];
  error.details = [...asked.details, ...packed].map(({ typeUrl, value }) => ({ type: typeName(typeUrl), value }));
  return error;
}

/** An error that a call ended with, as the runner reads it. */
export function errorMessage(error: ConnectError): ErrorMessage {
  const details = error.details.flatMap(detail =>
    "type" in detail ? [{ typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value }] : [],
  );
  return create(ErrorSchema, { code: Number(error.code), message: error.rawMessage, details });
}

function typeName(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}
