import { randomBytes } from "node:crypto";
import { access, constants, lstat, readlink, rename, symlink, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Failure } from "../../lib/failure.ts";
import { errorCode, whyOf } from "../../lib/system-error.ts";
import { STORE_DIR } from "../../nix/store-path.ts";
import type { PlannedDerivation } from "../report.ts";

/** A result link to be made. */
export interface ResultLink {
  /** Absolute. */
  readonly link: string;
  readonly path: string;
}

/** The links of a build, named as `nix build` names them: `result`, `result-dev`, `result-1`, `result-1-dev`. */
export function resultLinks(requested: readonly PlannedDerivation[], outLink: string, cwd: string): ResultLink[] {
  const links = requested.flatMap(({ outputs }, index) =>
    Object.entries(outputs).map(([name, path]) => {
      const numbered = index === 0 ? outLink : `${outLink}-${index}`;
      return { link: resolve(cwd, name === "out" ? numbered : `${numbered}-${name}`), path };
    }),
  );
  // An output named like a number can meet a numbered link: the later one counts, as with Nix.
  return [...new Map(links.map(item => [item.link, item])).values()];
}

/** Fails where no link can be made, or something stands that is not a link into the store: before the build, so that no use is spent for it. */
export async function checkLink({ link }: ResultLink): Promise<void> {
  if (await isFree(link)) {
    await access(dirname(link), constants.W_OK | constants.X_OK).catch(error => {
      throw cannotLink(link, error);
    });
    return;
  }
  throw new Failure("failed", "this machine", `cannot make the result link ${link}: something else is there`, {
    reason: "link-taken",
    fix: "pass --out-link PATH or --no-link",
  });
}

/** Whether there is nothing, or a link into the store. */
async function isFree(link: string): Promise<boolean> {
  try {
    return (await lstat(link)).isSymbolicLink() && (await readlink(link)).startsWith(`${STORE_DIR}/`);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return true;
    throw cannotLink(link, error);
  }
}

/** Makes a link, replacing an old one in one step. */
export async function makeLink({ link, path }: ResultLink): Promise<void> {
  const beside = `${link}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await symlink(path, beside);
    await rename(beside, link).catch(async error => {
      await unlink(beside);
      throw error;
    });
  } catch (error) {
    throw cannotLink(link, error);
  }
}

function cannotLink(link: string, cause: unknown): Failure {
  return new Failure("failed", "this machine", `cannot make the result link ${link}: ${whyOf(cause)}`, {
    reason: "link",
    fix: "pass --out-link PATH or --no-link",
    cause,
  });
}
