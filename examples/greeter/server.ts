// A server of a service that is not ours, reachable behind any NAT. Prints where it is as one line of JSON; Ctrl-C ends it.
//   node examples/greeter/server.ts [--local]      --local: on this machine alone, no relay

import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
// In a program of your own: from "drv-thru/transport".
import { callerId, serveOverIroh } from "../../src/connect-iroh.ts";
import { Greeter } from "./gen/greeter/v1/greeter_pb.js";

const local = process.argv.includes("--local")
  ? ({ relay: "none", bind: ["127.0.0.1:0"] } as const)
  : ({ relay: "default" } as const);

const server = await serveOverIroh(
  router =>
    router.service(Greeter, {
      greet: ({ name }, context) => ({ greeting: `Hello, ${checked(name)}!`, callerId: callerId(context) ?? "" }),
      async *greetOften({ name, times }) {
        for (let time = 1; time <= Math.min(times, 1000); time++)
          yield { greeting: `Hello, ${checked(name)}! (${time})` };
      },
    }),
  { alpn: "greeter/1", ...local },
);

function checked(name: string): string {
  if (name.length < 1 || name.length > 100)
    throw new ConnectError("a name has 1 to 100 characters", Code.InvalidArgument);
  return name;
}

// A relay is reached after a second or so, or never where there is no internet: then the direct addresses must do.
for (let tries = 0; tries < 10 && local.relay !== "none" && server.address().relayUrls.length === 0; tries++)
  await sleep(500);
process.stdout.write(`${JSON.stringify(server.address())}\n`);
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void server.close());
