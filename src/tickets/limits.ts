/** What a trusted client gets when nothing is said. */
export const clientDefaults = { maxBuildSeconds: 30 * 60, maxUploadBytes: 20 * 2 ** 30 } as const;

/** The most that a ticket may say. */
export const ticketLimits = {
  nameBytes: 128,
  /** Ten years. */
  seconds: 10 * 365 * 86_400,
  uses: Number.MAX_SAFE_INTEGER,
  uploadBytes: Number.MAX_SAFE_INTEGER,
} as const;

/** What is wrong with a ticket's name, or `undefined` if nothing is. */
export function nameProblem(name: string): string | undefined {
  if (name.trim() === "") return "a ticket's name must not be blank";
  if (Buffer.byteLength(name) > ticketLimits.nameBytes)
    return `a ticket's name has at most ${ticketLimits.nameBytes} bytes`;
  // Names reach terminals and logs: no control characters, no direction or line-break tricks, no broken surrogates.
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return "a ticket's name must not have control characters";
  return undefined;
}

/** The name of a ticket that was given none. */
export function defaultName(now: number): string {
  return `ticket-${Math.floor(now / 1000)}`;
}
