import { type ContextKey, createContextKey, type Interceptor } from "@connectrpc/connect";
import type { Beside } from "./beside.ts";
import { splitterOf } from "./large-fields.ts";

/** Where a call's large fields wait for what Connect makes of the rest; `undefined` where nobody puts the two together again. */
export const besideKey: ContextKey<Beside | undefined> = createContextKey<Beside | undefined>(undefined, {
  description: "large fields beside this call's messages",
});

/** The encoding in which large fields can be told apart. */
const PROTOBUF = "application/connect+proto";

/**
 * An interceptor for a router that {@link serveSession} serves, the first of its list: large `bytes` of streamed answers go past Connect's own copies. They must not change
 * before the handler is asked for its next message.
 */
export const bulkAnswers: Interceptor = next => async request => {
  const response = await next(request);
  const { header, contextValues, method } = request;
  const plain = header.get("content-type") === PROTOBUF && !header.has("connect-accept-encoding");
  const beside = plain ? contextValues.get(besideKey) : undefined;
  const splitter = splitterOf(method.output);
  if (!response.stream || beside === undefined || splitter === undefined) return response;
  return { ...response, message: beside.split(response.message, splitter) };
};
