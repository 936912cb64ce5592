import type { Duplex, ReadHalf, Session } from "../../src/lib/stream.ts";
import { type Frame, FrameDecoder, FrameType } from "../../src/transport/frames.ts";
import { decodeControl, encodeControl, encodeEnd, encodeRequestHead } from "../../src/transport/messages.ts";

/** The bytes of a HEAD frame for a method of the test service. */
export function headOf(method: string, callId: bigint, headers: Record<string, string> = {}): Uint8Array {
  const header = new Headers({ "content-type": "application/proto", ...headers });
  return encodeRequestHead({ callId, path: `/drvthru.transport.test.v1.Trial/${method}`, method: "POST", header });
}

/** A whole unary request with an empty message. */
export function requestOf(method: string, callId: bigint, headers: Record<string, string> = {}): Uint8Array {
  return Buffer.concat([headOf(method, callId, headers), encodeEnd()]);
}

/** Opens a stream, writes these bytes and ends it, as a peer without a transport of ours might. */
export async function sendRaw(session: Session, bytes: Uint8Array, options: { open?: boolean } = {}): Promise<Duplex> {
  const duplex = await session.open();
  await duplex.write(bytes);
  if (options.open !== true) await duplex.finish();
  return duplex;
}

/** The types of the frames of an answer, in order; a reset or lost stream ends with its error instead. */
export async function framesOf(half: ReadHalf): Promise<(Frame["type"] | Error)[]> {
  const decoder = new FrameDecoder();
  const types: (Frame["type"] | Error)[] = [];
  try {
    for (let bytes = await half.read(); bytes !== undefined; bytes = await half.read()) {
      types.push(...decoder.feed(bytes).map(frame => frame.type));
    }
  } catch (error) {
    types.push(error instanceof Error ? error : new Error(String(error)));
  }
  return types;
}

/** The frames of a whole unary answer. */
export const wholeAnswer = [FrameType.head, FrameType.data, FrameType.end];
/** The same with an empty message. */
export const emptyAnswer = [FrameType.head, FrameType.end];

/** What a peer says on its control stream, one at a time. */
export async function* controls(session: Session) {
  const half = await session.acceptUni();
  const decoder = new FrameDecoder();
  for (let bytes = await half?.read(); bytes !== undefined; bytes = await half?.read()) {
    for (const { payload } of decoder.feed(bytes)) yield decodeControl(payload);
  }
}

/** Opens a control stream by hand. */
export async function controlBy(session: Session) {
  const out = await session.openUni();
  return {
    write: (bytes: Uint8Array) => out.write(bytes),
    say: (say: Parameters<typeof encodeControl>[0]) => out.write(encodeControl(say)),
  };
}
