import { FormatError, quoted } from "../format-error.ts";
import { checkEntryName, checkTarget, NAR_LIMITS, NAR_MAGIC, type NarEvent, paddingOf } from "./event.ts";

/** What the grammar yields when it cannot go on without more bytes. */
const MORE = undefined;

/** Reads one NAR from chunks of any size. Holds at most one name or target, never contents. After an error it only throws. */
export class NarParser {
  readonly #input = new Input();
  readonly #grammar = narGrammar(this.#input);
  #state: "open" | "complete" | "failed" = "open";

  /** The events that these bytes complete. Iterate to the end; contents are views of the chunk. Throws {@link FormatError}. */
  *push(chunk: Uint8Array): Generator<NarEvent, void, void> {
    if (this.#state === "failed") throw new FormatError("an archive is read on after an error");
    this.#input.add(chunk);
    try {
      while (this.#state === "open") {
        const step = this.#grammar.next();
        if (step.done) this.#state = "complete";
        else if (step.value === MORE) return;
        else yield step.value;
      }
      if (this.#input.length > 0) throw new FormatError("an archive is followed by more bytes");
    } catch (error) {
      this.#state = "failed";
      throw error;
    }
  }

  /** Throws {@link FormatError} unless the NAR is complete. */
  end(): void {
    if (this.#state !== "complete") throw new FormatError("an archive ends early");
  }
}

/** The events of a NAR. Throws {@link FormatError}, also for a NAR that ends early or is followed by more bytes. */
export async function* readNar(nar: AsyncIterable<Uint8Array>): AsyncGenerator<NarEvent, void, void> {
  const parser = new NarParser();
  for await (const chunk of nar) yield* parser.push(chunk);
  parser.end();
}

/** Bytes that have come and are not read yet. */
class Input {
  #bytes: Buffer = Buffer.alloc(0);

  get length(): number {
    return this.#bytes.length;
  }

  add(chunk: Uint8Array): void {
    const next = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#bytes = this.#bytes.length === 0 ? next : Buffer.concat([this.#bytes, next]);
  }

  /** Up to so many bytes. */
  take(most: number): Buffer {
    const taken = this.#bytes.subarray(0, most);
    this.#bytes = this.#bytes.subarray(taken.length);
    return taken;
  }

  /** A length, or `undefined` while it is not all there. */
  size(limit: number): number | undefined {
    if (this.#bytes.length < 8) return undefined;
    const size = this.#bytes.readUInt32LE(0) + this.#bytes.readUInt32LE(4) * 2 ** 32;
    if (size > limit) throw new FormatError(`an archive has a string of ${size} bytes where ${limit} are the most`);
    return size;
  }

  /** A string, or `undefined` while it is not all there. An excessive length is refused before its bytes come. */
  string(limit: number): Buffer | undefined {
    const size = this.size(limit);
    if (size === undefined) return undefined;
    const padding = paddingOf(size);
    if (this.#bytes.length < 8 + size + padding) return undefined;
    this.take(8);
    const value = this.take(size);
    this.padding(padding);
    return value;
  }

  padding(length: number): void {
    if (this.take(length).some(byte => byte !== 0)) throw new FormatError("an archive has padding that is not zero");
  }
}

type Grammar<T = void> = Generator<NarEvent | typeof MORE, T, void>;

function* narGrammar(input: Input): Grammar {
  yield* expect(input, NAR_MAGIC);
  // The last name of each open directory: a stack of our own, so that depth costs no calls.
  const open: (Buffer | undefined)[] = [];
  do {
    yield* expect(input, "(");
    yield* expect(input, "type");
    const type = yield* word(input);
    if (type === "directory") {
      if (open.push(undefined) > NAR_LIMITS.depth)
        throw new FormatError("an archive has too many folders in one another");
      yield { kind: "directory" };
    } else {
      if (type === "regular") yield* file(input);
      else if (type === "symlink") yield* symlink(input);
      else throw new FormatError(`an archive has a node of type ${quoted(type)}`);
      yield* expect(input, ")");
      if (open.length > 0) yield* expect(input, ")");
    }
    yield* nextEntry(input, open);
  } while (open.length > 0);
}

/** Closes directories until one has another entry, and reads that up to its node. */
function* nextEntry(input: Input, open: (Buffer | undefined)[]): Grammar {
  while (open.length > 0) {
    const next = yield* word(input);
    if (next === "entry") {
      yield* expect(input, "(");
      yield* expect(input, "name");
      // A copy: the view would keep its whole chunk alive until the next entry.
      const name = Buffer.from(yield* string(input, NAR_LIMITS.name));
      checkEntryName(name, open.pop());
      open.push(name);
      yield { kind: "entry", name };
      return yield* expect(input, "node");
    }
    if (next !== ")") throw new FormatError(`an archive has ${quoted(next)} in a folder`);
    open.pop();
    yield { kind: "directory-end" };
    if (open.length > 0) yield* expect(input, ")");
  }
}

function* file(input: Input): Grammar {
  let next = yield* word(input);
  const executable = next === "executable";
  if (executable) {
    yield* expect(input, "");
    next = yield* word(input);
  }
  if (next !== "contents") throw new FormatError(`an archive has ${quoted(next)} in a file`);
  let left = yield* awaited(() => input.size(Number.MAX_SAFE_INTEGER));
  input.take(8);
  yield { kind: "file", executable, size: left };
  const padding = paddingOf(left);
  while (left > 0) {
    const bytes = input.take(left);
    left -= bytes.length;
    yield bytes.length > 0 ? { kind: "bytes", bytes } : MORE;
  }
  while (input.length < padding) yield MORE;
  input.padding(padding);
  yield { kind: "file-end" };
}

function* symlink(input: Input): Grammar {
  yield* expect(input, "target");
  const target = Buffer.from(yield* string(input, NAR_LIMITS.target));
  checkTarget(target);
  yield { kind: "symlink", target };
}

function* awaited<T>(read: () => T | undefined): Grammar<T> {
  for (;;) {
    const value = read();
    if (value !== undefined) return value;
    yield MORE;
  }
}

function string(input: Input, limit: number): Grammar<Buffer> {
  return awaited(() => input.string(limit));
}

function* word(input: Input): Grammar<string> {
  return (yield* string(input, NAR_MAGIC.length)).toString("latin1");
}

function* expect(input: Input, expected: string): Grammar {
  const found = yield* word(input);
  if (found !== expected) throw new FormatError(`an archive has ${quoted(found)} where ${quoted(expected)} must be`);
}
