import { createHash, type Hash } from "node:crypto";
import { Failure } from "../../lib/failure.ts";
import type { PathInfo } from "../path-info.ts";
import type { NarItem, NarsOptions } from "../store.ts";
import type { ByteReader } from "./bytes.ts";
import type { Connection } from "./connection.ts";
import { encode } from "./encode.ts";
import { Op } from "./protocol.ts";
import { checked } from "./queries.ts";
import { readReply } from "./reply.ts";

/** NARs that are asked for ahead of the one that is read. The daemon waits when nobody reads, so this costs no memory. */
const AHEAD = 64;

/** Most bytes of a piece: the fewer they are, the more steps a NAR takes through all that it passes. */
const PIECE = 256 * 1024;

/**
 * The NARs of valid paths. What goes wrong here ends the connection, a consumer that leaves early too: the bytes on their way cannot be
 * called back.
 */
export async function* nars(
  connection: Connection,
  infos: readonly PathInfo[],
  { checkHash = true }: NarsOptions,
): AsyncGenerator<NarItem> {
  const done = await connection.begin();
  const { wire } = connection;
  let complete = false;
  try {
    let asked = 0;
    for (const [index, info] of infos.entries()) {
      if (asked - index <= AHEAD / 2) {
        const batch = infos.slice(asked, index + AHEAD);
        asked += batch.length;
        await wire.write(...batch.map(({ path }) => encode(Op.narFromPath, checked(path))));
      }
      const refused = await readReply(wire.reader);
      if (refused) throw refused;
      const nar = new SizedNar(wire.reader, info, checkHash ? createHash("sha256") : undefined);
      yield { info, nar };
      if (!nar.ended)
        throw new Failure("failed", "this machine", `the archive of ${info.path} was not read to its end`);
    }
    complete = true;
  } finally {
    if (!complete) wire.destroy();
    done();
  }
}

/** Exactly as many bytes as the info says; with a hasher the last read throws unless they have the info's hash. */
class SizedNar implements AsyncIterable<Uint8Array> {
  ended = false;
  readonly #reader: ByteReader;
  readonly #info: PathInfo;
  readonly #hash: Hash | undefined;

  constructor(reader: ByteReader, info: PathInfo, hash: Hash | undefined) {
    this.#reader = reader;
    this.#info = info;
    this.#hash = hash;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let left = this.#info.narSize; left > 0; ) {
      const chunk = await this.#reader.some(Math.min(left, PIECE));
      this.#hash?.update(chunk);
      left -= chunk.length;
      yield chunk;
    }
    if (this.#hash) checkHashOf(this.#info, this.#hash.digest("hex"));
    this.ended = true;
  }
}

function checkHashOf({ path, narHash }: PathInfo, found: string): void {
  if (found === narHash) return;
  const what = `the archive of ${path} has the SHA-256 ${found}, and Nix's database says ${narHash}`;
  throw new Failure("hash-mismatch", "nix", what, {
    reason: "connection-lost",
    fix: `nix-store --verify-path ${path}`,
  });
}
