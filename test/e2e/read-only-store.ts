/** In front of a command of root: it cannot write to the store, as in the hardened unit, so its Nix goes by the daemon. */
export const readOnlyStore: readonly string[] = [
  "unshare",
  "--mount",
  "sh",
  "-c",
  'mount --bind /nix /nix; mount -o remount,bind,ro /nix; exec "$@"',
  "sh",
];
