import { test } from "node:test";
import { mixed, whyNoAddon } from "./bindings.ts";
import { rpcBetween } from "./rpc.ts";

rpcBetween(mixed);
if (whyNoAddon !== undefined) test("calls between the native addon and @number0/iroh", { skip: whyNoAddon });
