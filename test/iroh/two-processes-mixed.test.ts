import { test } from "node:test";
import { mixed, whyNoAddon } from "./bindings.ts";
import { twoProcesses } from "./two-processes.ts";

twoProcesses(mixed);
if (whyNoAddon !== undefined) test("sessions between the native addon and @number0/iroh", { skip: whyNoAddon });
