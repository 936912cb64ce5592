/** What builds of a ticket without counted uses, or of a trusted client, have sent and then given their use back. */
export interface GivenBack {
  /** When the first of these ended, in milliseconds since 1970. */
  readonly since: number;
  /** Bytes of NAR. */
  readonly bytes: number;
}

/** Time after which it is forgotten, in milliseconds: a day. */
export const GIVEN_BACK_TIME = 24 * 3600 * 1000;

/** The bytes that still count. A clock that was put back forgets them too, rather than keep them for longer than a day. */
export function givenBackBytes(kept: GivenBack | undefined, now: number): number {
  return kept !== undefined && now >= kept.since && now < kept.since + GIVEN_BACK_TIME ? kept.bytes : 0;
}

/** With what one more such build has sent. */
export function addGivenBack(kept: GivenBack | undefined, bytes: number, now: number): GivenBack {
  const before = givenBackBytes(kept, now);
  return { since: before > 0 && kept !== undefined ? kept.since : now, bytes: before + bytes };
}
