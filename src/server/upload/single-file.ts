/** Nix's archive of one file that is not executable: these bytes, the length, the content, zeros up to a multiple of 8, and a closing bracket. */
const HEAD = Buffer.concat(["nix-archive-1", "(", "type", "regular", "contents"].map(word));
const TAIL = word(")");
const LENGTH = 8;

function word(text: string): Buffer {
  const bytes = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8);
  bytes.writeBigUInt64LE(BigInt(text.length));
  bytes.write(text, 8, "ascii");
  return bytes;
}

/** Recognises the NAR of one plain file as its bytes pass, in constant memory, and passes its content on. */
export class SingleFile {
  readonly #narSize: number;
  readonly #content: (piece: Uint8Array) => void;
  readonly #head = Buffer.alloc(HEAD.length + LENGTH);
  #tail: Buffer | undefined;
  #length = 0;
  #at = 0;

  /** `content` gets the file's bytes in order; it must copy what it keeps for longer than the piece lives. */
  constructor(narSize: number, content: (piece: Uint8Array) => void) {
    this.#narSize = narSize;
    this.#content = content;
  }

  /** Whether the bytes so far are the whole NAR. */
  get complete(): boolean {
    return this.#tail !== undefined && this.#at === this.#narSize;
  }

  /** Takes the next bytes. False if this is no such NAR: then it is of no use any more. */
  update(piece: Uint8Array): boolean {
    let rest = piece;
    while (rest.length > 0) {
      const taken = this.#take(rest);
      if (taken === 0) return false;
      this.#at += taken;
      rest = rest.subarray(taken);
    }
    return true;
  }

  /** How many of these bytes the part that is next takes; 0 if they are wrong. */
  #take(bytes: Uint8Array): number {
    const headLeft = this.#head.length - this.#at;
    if (headLeft > 0) {
      const part = bytes.subarray(0, headLeft);
      this.#head.set(part, this.#at);
      return part.length < headLeft || this.#readHead() ? part.length : 0;
    }
    const contentLeft = this.#head.length + this.#length - this.#at;
    if (contentLeft > 0) {
      const part = bytes.subarray(0, contentLeft);
      this.#content(part);
      return part.length;
    }
    const part = bytes.subarray(0, this.#narSize - this.#at);
    const expected = this.#tail?.subarray(-contentLeft, -contentLeft + part.length);
    return expected?.equals(part) ? part.length : 0;
  }

  #readHead(): boolean {
    if (!this.#head.subarray(0, HEAD.length).equals(HEAD)) return false;
    const length = this.#head.readBigUInt64LE(HEAD.length);
    const padding = Number((8n - (length % 8n)) % 8n);
    if (BigInt(this.#head.length + padding + TAIL.length) + length !== BigInt(this.#narSize)) return false;
    this.#length = Number(length);
    this.#tail = Buffer.concat([Buffer.alloc(padding), TAIL]);
    return true;
  }
}
