import { test } from "node:test";
import { same, whyNoAddon } from "./bindings.ts";
import { twoProcesses } from "./two-processes.ts";

twoProcesses(same.native);
if (whyNoAddon !== undefined) test("sessions over the native addon", { skip: whyNoAddon });
