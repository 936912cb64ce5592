import type { StoredBuild } from "./state.ts";

/**
 * Which of these ended builds, newest first, are too many when so many are kept. It is always one of the credential that has most: so nobody pushes
 * out what others have still to fetch. Of that credential the oldest that was given back goes first, then the oldest.
 */
export function tooMany(ended: readonly StoredBuild[], keep: number): StoredBuild[] {
  const groups = [...Map.groupBy(ended, ({ owner: { credential } }) => `${credential.kind} ${credential.id}`).values()];
  const forgotten: StoredBuild[] = [];
  for (let left = ended.length; left > keep; left--) {
    const [first, ...others] = groups;
    if (first === undefined) break;
    const most = others.reduce((found, group) => (comesBefore(group, found) ? group : found), first);
    const given = most.findLastIndex(build => build.use === "refunded");
    forgotten.push(...most.splice(given < 0 ? -1 : given, 1));
  }
  return forgotten;
}

function comesBefore(one: readonly StoredBuild[], other: readonly StoredBuild[]): boolean {
  if (one.length !== other.length) return one.length > other.length;
  return (one.at(-1)?.end?.at ?? 0) < (other.at(-1)?.end?.at ?? 0);
}
