/** What the command line uses of the import helper, in one piece: it is loaded when `helper serve` runs. */
export { jsonLog } from "./log.ts";
export { startHelper } from "./serve.ts";
