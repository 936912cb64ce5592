import { addressing } from "./endpoint/addressing.ts";
import { connecting } from "./endpoint/connecting.ts";
import { ending } from "./endpoint/ending.ts";
import { limits } from "./endpoint/limits.ts";
import { streaming } from "./endpoint/streaming.ts";
import type { MakeEndpoint } from "./endpoint/tools.ts";

/** What every binding must do: endpoints and their sessions, in one process on loopback. */
export function endpointContract(name: string, make: MakeEndpoint): void {
  addressing(name, make);
  connecting(name, make);
  streaming(name, make);
  limits(name, make);
  ending(name, make);
}
