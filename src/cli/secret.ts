import type { Readable } from "node:stream";
import { Failure } from "../lib/failure.ts";

/** The most that is read where one line is expected. */
const LIMIT = 64 * 1024;

/** One secret from stdin or a file's stream, white space around it dropped. */
export async function readSecret(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(String(chunk));
    length += bytes.length;
    if (length > LIMIT)
      throw new Failure("usage", "this machine", `more than ${LIMIT} bytes where a ticket was expected`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8").trim();
}
