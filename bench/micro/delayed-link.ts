import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";

/** Where a delayed link stands, and where it leads. */
export interface DelayedLink {
  /** Its address on the side of whoever connects, and on the other. */
  readonly outside: string;
  readonly inside: string;
  readonly to: { readonly host: string; readonly port: number };
  readonly roundTripMs: number;
}

/** Hands datagrams on both ways, each half the round trip later. Returns the port on its outside. */
export async function delayedLink({ outside: near, inside: far, to, roundTripMs }: DelayedLink): Promise<number> {
  const outside = await bound(near);
  const inside = await bound(far);
  let client: RemoteInfo | undefined;
  const line = (hand: (datagram: Buffer) => void) => {
    const waiting: { readonly at: number; readonly datagram: Buffer }[] = [];
    let first = 0;
    const timer = setInterval(() => {
      const now = performance.now();
      for (let next = waiting[first]; next !== undefined && next.at <= now; next = waiting[first]) {
        hand(next.datagram);
        first += 1;
      }
      waiting.splice(0, first);
      first = 0;
    }, 1);
    timer.unref();
    return (datagram: Buffer) => void waiting.push({ at: performance.now() + roundTripMs / 2, datagram });
  };
  const there = line(datagram => inside.send(datagram, to.port, to.host));
  const back = line(datagram => outside.send(datagram, client?.port ?? 0, client?.address));
  outside.on("message", (datagram, from) => {
    client = from;
    there(datagram);
  });
  inside.on("message", datagram => back(datagram));
  return outside.address().port;
}

async function bound(host: string): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, host);
  await once(socket, "listening");
  socket.setRecvBufferSize(64 * 1024 * 1024);
  socket.setSendBufferSize(64 * 1024 * 1024);
  return socket;
}
