/** A full store path: `/nix/store/<32 characters>-<name>`. Made by {@link parseStorePath} alone. */
export type StorePath = string & { readonly __path: "store" };

const GRAMMAR = /^\/nix\/store\/[0-9abcdfghijklmnpqrsvwxyz]{32}-(?!\.{1,2}(?:-|$))[0-9A-Za-z+\-._?=]{1,211}$/;

/** The store path that a text spells exactly, or `undefined`. */
export function parseStorePath(text: string): StorePath | undefined {
  return GRAMMAR.test(text) ? (text as StorePath) : undefined;
}
