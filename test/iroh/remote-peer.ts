/** A process of its own with an Iroh endpoint, whose sessions the test drives over the process's message channel. */
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import {
  type Duplex,
  type ReadHalf,
  type Session,
  type SessionEnd,
  StreamError,
  type WriteHalf,
} from "../../src/lib/stream.ts";
import { type RemoteAnswer, type RemoteCall, type RemoteNews, remoteAlpn } from "./remote-protocol.ts";

type Target = Partial<Omit<Session, "closed"> & Omit<Duplex, "closed">> & {
  readonly closed?: Promise<unknown>;
};

const targets = new Map<number, Target>();
let numbers = 0;

const endpoint = await makeEndpoint({ alpns: [remoteAlpn], relay: "none", bind: ["127.0.0.1:0"] });
process.on("message", message => void answer(message as RemoteCall));
process.on("disconnect", () => void endpoint.close());
tell({ news: "endpoint", id: endpoint.id, addresses: endpoint.addresses().direct });
for (let session = await endpoint.accept(); session !== undefined; session = await endpoint.accept()) {
  tell({ news: "session", target: added(session), peer: session.peer, local: session.local });
}

function tell(message: RemoteNews | RemoteAnswer): void {
  if (process.connected) process.send?.(message);
}

function added(target: Target): number {
  numbers += 1;
  targets.set(numbers, target);
  return numbers;
}

async function answer(message: RemoteCall): Promise<void> {
  const { call } = message;
  try {
    tell({ call, ...(await run(message)) });
  } catch (error) {
    const { kind, code } = error instanceof StreamError ? error : {};
    tell({ call, error: kind === undefined ? { message: String(error) } : { kind, code: code ?? 0 } });
  }
}

async function run({ target, method, bytes, code = 0, reason }: RemoteCall): Promise<Partial<RemoteAnswer>> {
  const on = targets.get(target);
  if (on === undefined) throw new Error(`no target ${target}`);
  if (method === "open" || method === "accept" || method === "openUni" || method === "acceptUni") {
    const stream: ReadHalf | WriteHalf | undefined = await on[method]?.();
    return stream === undefined ? {} : { stream: added(stream) };
  }
  if (method === "closed") {
    const end = await on.closed;
    return end === undefined ? {} : { end: end as SessionEnd };
  }
  if (method === "read") {
    const read = await on.read?.();
    return read === undefined ? {} : { bytes: read };
  }
  if (method === "write") await on.write?.(bytes ?? new Uint8Array());
  if (method === "finish") await on.finish?.();
  if (method === "close") await on.close?.(code, reason);
  if (method === "stop" || method === "reset") on[method]?.(code);
  return {};
}
