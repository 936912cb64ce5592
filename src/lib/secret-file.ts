import { randomBytes } from "node:crypto";
import { link, open, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { Failure } from "./failure.ts";
import { makeFolders } from "./folders.ts";
import { errorCode, whyOf } from "./system-error.ts";

const MAX_FILE = 1024;

/** The content of a file that holds a secret, or `undefined` if there is none. Throws a {@link Failure} if others may read it, or if it is no key's size. */
export async function readSecretFile(file: string): Promise<Buffer | undefined> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, "r");
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw cannot("read", file, error);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > MAX_FILE) throw cannot("read", file, new Error("it is not a key of drv-thru"));
    if ((stat.mode & 0o077) !== 0) throw tooOpen(file, stat.mode);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

/**
 * Makes a file that only its owner may read, before it has content; written beside and linked into place, so that nobody ever reads half of it and
 * none is replaced. Throws Node's error, `EEXIST` if there is one.
 */
export async function writeSecretFile(file: string, content: string, mode = 0o600): Promise<void> {
  const folder = dirname(file);
  makeFolders(folder);
  const beside = `${file}.${process.pid}.${randomBytes(4).toString("hex")}`;
  const handle = await open(beside, "wx", mode);
  try {
    await handle.writeFile(content);
    await handle.sync();
    await link(beside, file);
  } finally {
    await handle.close();
    await unlink(beside);
  }
  const parent = await open(folder, "r");
  await parent.sync().finally(() => parent.close());
}

/** The failure of reading or making a key file. */
export function cannot(verb: string, file: string, cause: unknown): Failure {
  return new Failure("failed", "this machine", `cannot ${verb} the key file ${file}: ${whyOf(cause)}`, {
    reason: "key-file",
    fix: `look at it: ls -l ${file}`,
    cause,
  });
}

function tooOpen(file: string, mode: number): Failure {
  const shown = (mode & 0o777).toString(8).padStart(4, "0");
  return new Failure("failed", "this machine", `the key file ${file} is open to others (mode ${shown})`, {
    reason: "key-file-open",
    fix: `chmod 600 ${file}`,
  });
}
