import { test } from "node:test";
import { endpointContract } from "../contract/endpoint.ts";
import { makeWith, mixed, same, whyNoAddon } from "./bindings.ts";

for (const { server, client } of [...same.number0, ...same.native, ...mixed]) {
  const name = server === client ? server : `${client} to ${server}`;
  // Whoever takes no protocol only connects.
  endpointContract(name, options => makeWith(options.alpns.length > 0 ? server : client, options));
}

if (whyNoAddon !== undefined) test("the native addon keeps the contract", { skip: whyNoAddon });
