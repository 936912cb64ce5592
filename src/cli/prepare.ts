import { PlainHeaders } from "../lib/headers.ts";
import { VERSION } from "../lib/protocol.ts";
import { keepCompiled } from "./compile-cache.ts";

/** What is to be done before the rest of the program is loaded. */
export function prepare(): void {
  keepCompiled(process.env, VERSION);
  // Connect takes the global ones. By assignment: to define the property anew has Node look at what it was, and load it for that.
  globalThis.Headers = PlainHeaders;
}
