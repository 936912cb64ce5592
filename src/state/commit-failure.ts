/** What lmdb throws when a transaction could not be written; why is in a promise of its own. */
interface CommitFailure extends Error {
  readonly commitError: Promise<unknown>;
}

/** The system's number for a full disk, as lmdb gives it. */
const ENOSPC = 28;

function isCommitFailure(error: unknown): error is CommitFailure {
  return error instanceof Error && "commitError" in error && error.commitError instanceof Promise;
}

/** The error to throw for one that lmdb threw: a full disk gets the `code` that Node gives it. */
export async function whyNotWritten(error: unknown): Promise<unknown> {
  if (!isCommitFailure(error)) return error;
  const cause: unknown = await error.commitError.catch((reason: unknown) => reason);
  const full = cause instanceof Error && "code" in cause && cause.code === ENOSPC;
  const said = new Error(cause instanceof Error ? cause.message : error.message, { cause });
  return full ? Object.assign(said, { code: "ENOSPC" }) : said;
}

/**
 * Keeps the process alive through a transaction that could not be written: lmdb then also rejects promises that it has given to nobody. Whoever
 * waits for the transaction hears of it. Any other rejection that nobody handles ends the process, as ever. Returns how to stop.
 */
export function surviveFailedCommits(): () => void {
  const heed = (error: unknown) => {
    if (!isCommitFailure(error)) throw error;
    error.commitError.catch(() => undefined);
  };
  process.on("unhandledRejection", heed);
  return () => process.off("unhandledRejection", heed);
}
