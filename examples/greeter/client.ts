// Calls the server whose address, the line of JSON that it printed, is given.
//   node examples/greeter/client.ts ADDRESS [NAME] [--local]

import { createClient } from "@connectrpc/connect";
// In a program of your own: from "drv-thru/transport".
import { connectOverIroh, Failure, type ServerAddress } from "../../src/connect-iroh.ts";
import { Greeter } from "./gen/greeter/v1/greeter_pb.js";

const [address = "{}", name = "world"] = process.argv.slice(2).filter(argument => argument !== "--local");
const local = process.argv.includes("--local") ? ({ relay: "none", bind: ["127.0.0.1:0"] } as const) : {};

try {
  await using connection = await connectOverIroh(JSON.parse(address) as ServerAddress, { alpn: "greeter/1", ...local });
  const greeter = createClient(Greeter, connection.transport);
  const { greeting, callerId } = await greeter.greet({ name });
  process.stdout.write(`${greeting} (I am ${callerId === connection.id ? "whom I say" : "somebody else"})\n`);
  for await (const { greeting } of greeter.greetOften({ name, times: 3 })) process.stdout.write(`${greeting}\n`);
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof Failure && error.code === "unreachable" ? 3 : 1;
}
