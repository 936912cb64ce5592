/** The name under which builders are spoken to over Iroh; a new major version gets a new one. */
export const BUILDER_ALPN = "drv-thru/1";

/** This program's version, as it is told to the other side. */
export const VERSION = "0.1.0";

/** A download goes on where the builder's file has the same bytes before that offset: so many of them, or all where there are fewer. */
export const TAIL = 64 * 1024;
