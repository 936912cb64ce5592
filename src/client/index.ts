/** What the command line uses of the client beside builds, in one piece: it is loaded when a command needs any of it. */
export { problemOf } from "./builders/entry.ts";
export { loadBuilders } from "./builders/known.ts";
export { addBuilder, removeBuilder, showBuilder } from "./builders/manage.ts";
export { connect } from "./connect.ts";
export { inspectTicketText } from "./inspect.ts";
export { clientKey } from "./key.ts";
export { isAddress, isRelayUrl } from "./target.ts";
export { checkTicketOptions } from "./ticket-options.ts";
