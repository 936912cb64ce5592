import { lstat, readlink } from "node:fs/promises";
import { dirname, parse, resolve } from "node:path";
import { Failure } from "../lib/failure.ts";

/** Links that may follow one another. */
const MOST_LINKS = 40;

/**
 * Refuses a file that somebody else than root, or than whoever runs this, can change or put another in the place of: each link, folder and file on
 * the way to it belongs to one of the two and is writable by no other (a folder may be, if like `/tmp` it keeps each user's files apart).
 */
export async function checkOwners(file: string): Promise<void> {
  let path = resolve(file);
  for (let links = 0; ; links++) {
    if (links > MOST_LINKS) throw new Error("its links lead in a circle");
    const next = await checkWay(path, file);
    if (next === undefined) return;
    path = next;
  }
}

/** Looks at each part of a path, the outermost first. Gives the path to go on with where one of them is a link. */
async function checkWay(path: string, asked: string): Promise<string | undefined> {
  for (const part of partsOf(path)) {
    const stat = await lstat(part);
    const last = part === path;
    if (last && !stat.isSymbolicLink() && !stat.isFile()) throw new Error(`${part} is no file`);
    if (stat.uid !== 0 && stat.uid !== process.geteuid?.()) {
      throw unsafe(asked, `${part} belongs to user ${stat.uid}`, `chown --no-dereference root ${part}`);
    }
    if (stat.isSymbolicLink()) return resolve(dirname(part), await readlink(part)) + path.slice(part.length);
    const keepsApart = stat.isDirectory() && (stat.mode & 0o1000) !== 0;
    if ((stat.mode & 0o022) !== 0 && !keepsApart)
      throw unsafe(asked, `others may write to ${part}`, `chmod go-w ${part}`);
  }
  return undefined;
}

function partsOf(path: string): string[] {
  const parts: string[] = [];
  for (let part = path; part !== parse(part).root; part = dirname(part)) parts.unshift(part);
  return parts;
}

function unsafe(file: string, why: string, fix: string): Failure {
  return new Failure("not-permitted", "this machine", `${file} says whose builds may enter this machine, and ${why}`, {
    reason: "key-file-open",
    fix: `see that what it says is yours, and then as root:\n  ${fix}`,
  });
}
