import { same } from "./bindings.ts";
import { twoProcesses } from "./two-processes.ts";

twoProcesses(same.number0);
