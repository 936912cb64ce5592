import { keepCompiled } from "./compile-cache.ts";
import { version } from "./version.ts";
import { boundYoungGeneration } from "./young-generation.ts";

/** What is to be done before the rest of the program is loaded. */
export function prepare(): void {
  boundYoungGeneration();
  keepCompiled(process.env, version());
}
