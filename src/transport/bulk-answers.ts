import { type ContextKey, createContextKey, type Interceptor } from "@connectrpc/connect";
import { Beside } from "./beside.ts";
import { splitterOf } from "./large-fields.ts";

/** Where a call's large fields wait for what Connect makes of the rest. */
export const besideKey: ContextKey<Beside> = createContextKey(new Beside(), {
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
  const splitter = response.stream && plain ? splitterOf(method.output) : undefined;
  if (!response.stream || splitter === undefined) return response;
  return { ...response, message: contextValues.get(besideKey).split(response.message, splitter) };
};
