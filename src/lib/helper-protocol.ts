import type { Socket } from "node:net";

/**
 * What a client and the import helper say to each other over the helper's Unix socket: one connection is one question and its answer, each a JSON
 * object on a line of its own. Hanging up before the answer gives the question up.
 */

/** Where the helper listens unless told otherwise. */
export const HELPER_SOCKET = "/run/drv-thru/import-helper.sock";

/** Bounds of a question: bytes with its line feed, paths of an import; of an error's text in bytes; time for a whole question to arrive, in milliseconds. */
export const HELPER_LIMITS = { message: 1 << 20, paths: 8192, errorText: 16 << 10, askingMs: 10_000 } as const;

/** What may be asked. Everything in it is checked by the helper. */
export type HelperQuestion =
  /** Would you take paths that this key (`name:base64`) signed? */
  | { readonly ask: "key"; readonly key: string }
  /** Import exactly these paths from the binary cache at this loopback URL, if this key signed them. References are valid or among them. */
  | { readonly ask: "import"; readonly key: string; readonly url: string; readonly paths: readonly string[] };

/** Why something was not done. */
export type HelperRefusal = "malformed" | "key-not-allowed" | "import-failed" | "disk-full" | "busy" | "stopping";

/** The answer: for a key whether it is allowed, for an import that all is valid, or why not. */
export type HelperAnswer =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: HelperRefusal; readonly message: string };

/** A line that is longer than it may be. */
export class LineTooLong extends Error {
  override name = "LineTooLong";
}

/**
 * The first line of a socket without its line feed, or `undefined` if it ends before. Throws {@link LineTooLong} when `limit` bytes hold no whole
 * line, and the signal's reason.
 */
export async function readLine(socket: Socket, limit: number, signal: AbortSignal): Promise<string | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const chunks: Buffer[] = [];
  let length = 0;
  const take = (chunk: Buffer) => {
    const at = chunk.indexOf(0x0a);
    const whole = at < 0 ? chunk : chunk.subarray(0, at);
    length += whole.length;
    if (length + 1 > limit) return reject(new LineTooLong(`a line of more than ${limit} bytes`));
    chunks.push(whole);
    if (at >= 0) resolve(Buffer.concat(chunks).toString("utf8"));
  };
  const gone = () => resolve(undefined);
  const late = () => reject(signal.reason);
  socket.on("data", take).once("end", gone).once("close", gone);
  signal.addEventListener("abort", late, { once: true });
  if (signal.aborted) late();
  try {
    return await promise;
  } finally {
    socket.off("data", take).off("end", gone).off("close", gone);
    signal.removeEventListener("abort", late);
  }
}
