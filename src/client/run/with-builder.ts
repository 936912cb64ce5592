/** What a build needs once a builder may be needed, in one piece: it is loaded while Nix evaluates, or where there is something to build. */
export { openConnection } from "../connection/connection.ts";
export { findDestination } from "../connection/destination.ts";
export { loadIdentity } from "../connection/identity.ts";
export { dialIroh } from "../iroh.ts";
export { buildRemotely } from "./remote.ts";
