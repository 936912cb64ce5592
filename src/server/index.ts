/** What the command line uses of the builder, in one piece: it is loaded when `serve` runs. */
export { readConfig } from "./config.ts";
export { configFromFlags } from "./config-flags.ts";
export { findDataFolder } from "./data-folder.ts";
export { startBuilder } from "./serve.ts";
