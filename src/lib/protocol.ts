/** The name under which builders are spoken to over Iroh; a new major version gets a new one. */
export const BUILDER_ALPN = "drv-thru/1";

/** This program's version, as it is told to the other side. */
export const VERSION = "0.1.0";
