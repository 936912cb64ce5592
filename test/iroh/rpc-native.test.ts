import { test } from "node:test";
import { same, whyNoAddon } from "./bindings.ts";
import { rpcBetween } from "./rpc.ts";

rpcBetween(same.native);
if (whyNoAddon !== undefined) test("calls over the native addon", { skip: whyNoAddon });
