import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "pino";
import { Reason, RefusalSchema } from "../../gen/drvthru/v1/common_pb.js";
import { connectionKey } from "./connection.ts";

/** Writes down each call that was refused or failed, with its reason. A call that its peer gave up is no news. */
export function logRefusals(log: Logger): Interceptor {
  return next => async request => {
    const tell = (error: unknown) => {
      if (!(error instanceof ConnectError) || error.code === Code.Canceled) return;
      const [refusal] = error.findDetails(RefusalSchema);
      const reason = refusal ? Reason[refusal.reason] : Code[error.code];
      const rpc = `${request.service.name}.${request.method.name}`;
      const { peer } = request.contextValues.get(connectionKey) ?? {};
      log.warn({ rpc, reason, why: error.rawMessage, ...(peer !== undefined && { peer }) }, "refused");
    };
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: told(response.message, tell) } : response;
    } catch (error) {
      tell(error);
      throw error;
    }
  };
}

async function* told<T>(messages: AsyncIterable<T>, tell: (error: unknown) => void): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    tell(error);
    throw error;
  }
}
