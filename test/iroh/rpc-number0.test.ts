import { same } from "./bindings.ts";
import { rpcBetween } from "./rpc.ts";

rpcBetween(same.number0);
