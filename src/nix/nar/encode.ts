import { FormatError } from "../format-error.ts";
import { checkEntryName, checkTarget, NAR_LIMITS, NAR_MAGIC, type NarEvent, paddingOf } from "./event.ts";

/** Small strings are gathered into chunks of about this many bytes. */
const CHUNK = 64 << 10;

/** The NAR that these events make, in chunks of about 64 KiB. Throws {@link FormatError} for events that make none. */
export async function* encodeNar(
  events: AsyncIterable<NarEvent> | Iterable<NarEvent>,
): AsyncGenerator<Uint8Array, void, void> {
  const encoder = new NarEncoder();
  for await (const event of events) {
    encoder.put(event);
    if (encoder.size >= CHUNK) yield encoder.take();
  }
  encoder.end();
  yield encoder.take();
}

type Next = "node" | "entry" | "bytes" | "nothing";

class NarEncoder {
  size = 0;
  #parts: Uint8Array[] = [];
  /** The last name of each open directory. */
  readonly #open: (Buffer | undefined)[] = [];
  /** What must come next. */
  #next: Next = "node";
  #left = 0;
  #padding = 0;

  constructor() {
    this.#strings(NAR_MAGIC);
  }

  take(): Uint8Array {
    const chunk = Buffer.concat(this.#parts, this.size);
    this.#parts = [];
    this.size = 0;
    return chunk;
  }

  end(): void {
    this.#expect("nothing");
  }

  put(event: NarEvent): void {
    if (event.kind === "directory") this.#directory();
    else if (event.kind === "entry") this.#entry(event.name);
    else if (event.kind === "symlink") this.#symlink(event.target);
    else if (event.kind === "file") this.#file(event.executable, event.size);
    else if (event.kind === "bytes") this.#bytes(event.bytes);
    else if (event.kind === "file-end") this.#fileEnd();
    else this.#directoryEnd();
  }

  #directory(): void {
    this.#expect("node");
    if (this.#open.push(undefined) > NAR_LIMITS.depth) throw new FormatError("folders are too deep for an archive");
    this.#strings("(", "type", "directory");
    this.#next = "entry";
  }

  #entry(name: Buffer): void {
    this.#expect("entry");
    checkEntryName(name, this.#open.pop());
    this.#open.push(name);
    this.#strings("entry", "(", "name", name, "node");
    this.#next = "node";
  }

  #directoryEnd(): void {
    this.#expect("entry");
    this.#open.pop();
    this.#endNode();
  }

  #symlink(target: Buffer): void {
    this.#expect("node");
    checkTarget(target);
    this.#strings("(", "type", "symlink", "target", target);
    this.#endNode();
  }

  #file(executable: boolean, size: number): void {
    this.#expect("node");
    this.#strings("(", "type", "regular", ...(executable ? ["executable", ""] : []), "contents");
    this.#length(size);
    this.#left = size;
    this.#padding = paddingOf(size);
    this.#next = "bytes";
  }

  #bytes(bytes: Uint8Array): void {
    this.#expect("bytes");
    this.#left -= bytes.length;
    this.#raw(bytes);
  }

  #fileEnd(): void {
    this.#expect("bytes");
    if (this.#left !== 0) throw new FormatError("a file is not as long as it was said to be");
    this.#raw(new Uint8Array(this.#padding));
    this.#endNode();
  }

  #endNode(): void {
    this.#strings(")");
    if (this.#open.length > 0) this.#strings(")");
    this.#next = this.#open.length > 0 ? "entry" : "nothing";
  }

  #expect(what: Next): void {
    if (this.#next !== what) throw new FormatError(`an archive needs ${this.#next} next, not ${what}`);
  }

  #strings(...values: (string | Buffer)[]): void {
    for (const value of values) {
      const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
      this.#length(bytes.length);
      this.#raw(bytes);
      this.#raw(new Uint8Array(paddingOf(bytes.length)));
    }
  }

  #length(length: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(length));
    this.#raw(bytes);
  }

  #raw(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.size += bytes.length;
  }
}
