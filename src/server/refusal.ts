import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type StreamResponse, type UnaryResponse } from "@connectrpc/connect";
import type { Logger } from "pino";
import { type Reason, RefusalSchema } from "../../gen/drvthru/v1/common_pb.js";

/** What goes with a refusal beside its sentence. */
export interface RefusalDetail {
  /** What it is about: a path, a ticket's id, a limit. Never a secret. Cut at 512 bytes. */
  readonly subject?: string | undefined;
  /** What the person can do. Cut at 1 KiB. */
  readonly fix?: string | undefined;
  /** For the log alone. */
  readonly cause?: unknown;
}

/** The error that refuses a call: a sentence for people, and the `Refusal` detail for programs. To be thrown. */
export function refuse(reason: Reason, code: Code, message: string, detail: RefusalDetail = {}): ConnectError {
  const value: MessageInitShape<typeof RefusalSchema> = {
    reason,
    subject: cut(detail.subject ?? "", 512),
    fix: cut(detail.fix ?? "", 1024),
  };
  return new ConnectError(message, code, undefined, [{ desc: RefusalSchema, value }], detail.cause);
}

/** The longest beginning of a text that fits in `limit` bytes of UTF-8. */
export function cut(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limit) return text;
  let end = limit;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** Lets only `ConnectError`s out of a service, and what `translate` makes one: anything else becomes "internal error" for the peer, its cause goes to the log. */
export function shieldErrors(log: Logger, translate: (error: unknown) => unknown): Interceptor {
  return next => async request => {
    const outward = (error: unknown): ConnectError => {
      if (error instanceof ConnectError) return error;
      if (request.signal.aborted) return ended(request.signal.reason, error);
      const told = translate(error);
      if (told instanceof ConnectError) return told;
      log.error({ err: error, rpc: `${request.service.name}.${request.method.name}` }, "internal error");
      return new ConnectError("internal error", Code.Internal, undefined, undefined, error);
    };
    let response: UnaryResponse | StreamResponse;
    try {
      response = await next(request);
    } catch (error) {
      throw outward(error);
    }
    return response.stream ? { ...response, message: shielded(response.message, outward) } : response;
  };
}

/** A call that its peer, its deadline or a shutdown ended: what broke because of that is no fault of ours. */
function ended(reason: unknown, cause: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  return new ConnectError("the call was cancelled", Code.Canceled, undefined, undefined, cause);
}

async function* shielded<T>(messages: AsyncIterable<T>, outward: (error: unknown) => ConnectError): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw outward(error);
  }
}
