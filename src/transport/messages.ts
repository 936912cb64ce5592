import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Control,
  ControlSchema,
  EndSchema,
  type Header,
  RequestHeadSchema,
  ResponseHeadSchema,
} from "../../gen/drvthru/transport/v1/frames_pb.js";
import { encodeFrame, FrameError, FrameType } from "./frames.ts";

/** Bounds of what a head may hold; the frame's own bound is in `frames.ts`. */
export const headLimits = { headers: 128, nameBytes: 256, valueBytes: 16 * 1024, pathBytes: 8 * 1024 } as const;

/** The head of a request after its checks. */
export interface RequestHead {
  readonly callId: bigint;
  readonly path: string;
  readonly method: string;
  readonly header: Headers;
}

/** The head of an answer after its checks. */
export interface ResponseHead {
  readonly status: number;
  readonly header: Headers;
}

/** A HEAD frame that opens a request. Throws {@link FrameError} over a bound. */
export function encodeRequestHead(head: RequestHead): Uint8Array {
  const { callId, path, method } = head;
  checkCall(path, method);
  const message = create(RequestHeadSchema, { callId, path, method, headers: fromHeaders(head.header) });
  return encodeFrame(FrameType.head, toBinary(RequestHeadSchema, message));
}

/** Reads and checks what a peer sent as the head of its request. Throws {@link FrameError}. */
export function decodeRequestHead(payload: Uint8Array): RequestHead {
  const { callId, path, method, headers } = parse(() => fromBinary(RequestHeadSchema, payload));
  checkCall(path, method);
  return { callId, path, method, header: toHeaders(headers) };
}

/** A HEAD frame that opens an answer. Throws {@link FrameError} over a bound. */
export function encodeResponseHead(head: ResponseHead): Uint8Array {
  const message = create(ResponseHeadSchema, { status: head.status, headers: fromHeaders(head.header) });
  return encodeFrame(FrameType.head, toBinary(ResponseHeadSchema, message));
}

/** Reads and checks what a peer sent as the head of its answer. Throws {@link FrameError}. */
export function decodeResponseHead(payload: Uint8Array): ResponseHead {
  const { status, headers } = parse(() => fromBinary(ResponseHeadSchema, payload));
  if (status < 100 || status > 999) throw new FrameError(`answer with status ${status}`);
  return { status, header: toHeaders(headers) };
}

/** An END frame. Throws {@link FrameError} over a bound. */
export function encodeEnd(trailer: Headers = new Headers()): Uint8Array {
  return encodeFrame(FrameType.end, toBinary(EndSchema, create(EndSchema, { trailers: fromHeaders(trailer) })));
}

/** The trailers of an END frame. Throws {@link FrameError}. */
export function decodeEnd(payload: Uint8Array): Headers {
  return toHeaders(parse(() => fromBinary(EndSchema, payload)).trailers);
}

/** A CONTROL frame. */
export function encodeControl(say: MessageInitShape<typeof ControlSchema>["say"]): Uint8Array {
  const message = say === undefined ? create(ControlSchema) : create(ControlSchema, { say });
  return encodeFrame(FrameType.control, toBinary(ControlSchema, message));
}

/** Reads a CONTROL frame. Something said that this version does not know has an undefined case. Throws {@link FrameError}. */
export function decodeControl(payload: Uint8Array): Control["say"] {
  return parse(() => fromBinary(ControlSchema, payload)).say;
}

function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new FrameError("frame with a payload that cannot be read", { cause });
  }
}

function checkCall(path: string, method: string): void {
  if (!/^[A-Z]{1,16}$/.test(method)) throw new FrameError("request with a method that is no HTTP method");
  if (!path.startsWith("/")) throw new FrameError("path without a leading slash");
  if (Buffer.byteLength(path) > headLimits.pathBytes) {
    throw new FrameError(`path over ${headLimits.pathBytes} bytes`);
  }
}

function checkHeaders(headers: readonly Pick<Header, "name" | "value">[]): void {
  if (headers.length > headLimits.headers) throw new FrameError(`more than ${headLimits.headers} headers`);
  for (const { name, value } of headers) {
    if (Buffer.byteLength(name) > headLimits.nameBytes) throw new FrameError("header with too long a name");
    if (Buffer.byteLength(value) > headLimits.valueBytes) throw new FrameError("header with too long a value");
  }
}

function toHeaders(headers: readonly Header[]): Headers {
  checkHeaders(headers);
  return parse(() => new Headers(headers.map(({ name, value }): [string, string] => [name, value])));
}

function fromHeaders(headers: Headers): { name: string; value: string }[] {
  const list = [...headers].map(([name, value]) => ({ name, value }));
  checkHeaders(list);
  return list;
}
