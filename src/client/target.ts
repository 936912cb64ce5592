export { isAddress, isRelayUrl } from "../tickets/place.ts";

/** A builder named by its Iroh endpoint id; reached with the client key alone. */
export interface ServerTarget {
  /** 64 hex digits. */
  readonly endpointId: string;
  /** Relays where it can be reached; none: public discovery and the default relays. */
  readonly relayUrls?: readonly string[] | undefined;
  /** Direct addresses, `IP:PORT`. */
  readonly addresses?: readonly string[] | undefined;
  /** The builder's Nix signing key as `name:base64`, if it is known beforehand: checked before anything is asked of it, and the builder must then have this one. */
  readonly signingKey?: string | undefined;
}

/** Where the administrator's socket of a builder on this machine is looked for. */
export interface LocalTarget {
  /** The builder's data folder; default `DRV_THRU_DATA_DIR`, then `/run/drv-thru/builder.sock`, then the user's own data folder. */
  readonly dataDir?: string | undefined;
}

/** A builder to build on: by ticket, by endpoint id, or by its name in a builder file (docs/cli.md). */
export type BuildTarget =
  | { readonly ticket: string }
  | { readonly server: ServerTarget }
  | { readonly builder: string };

/** A builder to talk to: one to build on, or the one on this machine as its administrator. */
export type Target = BuildTarget | { readonly local: LocalTarget };
