import type { Sha256 } from "./hash.ts";
import type { StorePath } from "./store-path.ts";

export type { Sha256 };

/** What Nix knows of a valid path: the fields of a narinfo. */
export interface PathInfo {
  readonly path: StorePath;
  /** SHA-256 of the NAR. */
  readonly narHash: Sha256;
  /** Length of the NAR in bytes. */
  readonly narSize: number;
  /** Sorted, without doubles; includes the path itself if it refers to itself. */
  readonly references: readonly StorePath[];
  /** As Nix prints it: `text:sha256:…`, `fixed:r:sha256:…`, … */
  readonly ca?: string;
  /** `name:base64` each. */
  readonly signatures: readonly string[];
  readonly deriver?: StorePath;
  /** Built on this machine, so Nix says. Never taken from a peer. */
  readonly ultimate?: boolean;
}
