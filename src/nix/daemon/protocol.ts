/** What the client offers: 1.37. From 1.38 on a list of features follows, of which none is used here. */
export const OURS = minorVersion(37);
/** The oldest that has BuildPathsWithResults: Nix 2.8. */
export const OLDEST = minorVersion(34);

/** Version 1.`minor` as it travels. */
export function minorVersion(minor: number): number {
  return (1 << 8) | minor;
}

/** The first number of each side. */
export const Magic = { client: 0x6e697863, daemon: 0x6478696f } as const;

/** The operations used here. */
export const Op = {
  addTempRoot: 11,
  addIndirectRoot: 12,
  setOptions: 19,
  queryPathInfo: 26,
  queryValidPaths: 31,
  narFromPath: 38,
  addToStoreNar: 39,
  queryMissing: 40,
  queryDerivationOutputMap: 41,
  buildPathsWithResults: 46,
} as const;

/** What may come before the fields of a reply. */
export const Tag = {
  next: 0x6f6c6d67,
  last: 0x616c7473,
  error: 0x63787470,
  startActivity: 0x53545254,
  stopActivity: 0x53544f50,
  result: 0x52534c54,
} as const;

/** The most that is read of anything whose length the daemon states. Lengths in bytes. */
export const Limit = {
  /** A store path, a derived path without its outputs, a hash. */
  path: 512,
  /** A derived path with its outputs. */
  derivedPath: 64 * 1024,
  /** A signature, a content address, an output name, a version. */
  word: 4096,
  /** A log line, an error: whatever else Nix may say. */
  text: 64 * 1024 * 1024,
  /** Paths in one set. */
  paths: 1_000_000,
  /** Signatures of a path, fields of an event, traces of an error. */
  items: 10_000,
  /** Bytes of a frame that we send: the daemon allocates as much. */
  frame: 64 * 1024,
} as const;
