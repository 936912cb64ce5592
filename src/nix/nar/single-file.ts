import { FormatError } from "../format-error.ts";
import { NarParser } from "./reader.ts";

/** Takes the contents out of the NAR of one file that is not executable: what `text:` and flat `fixed:` content addresses speak of. */
export class SingleFileParser {
  readonly #parser = new NarParser();

  /** The contents in these bytes of the NAR. Iterate to the end. Throws {@link FormatError} for any other NAR. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    for (const event of this.#parser.push(chunk)) {
      if (event.kind === "bytes") yield event.bytes;
      const plain = event.kind === "file" ? !event.executable : event.kind === "bytes" || event.kind === "file-end";
      if (!plain) throw new FormatError("an archive is not of one plain file, as its content address demands");
    }
  }

  /** Throws {@link FormatError} unless the NAR is complete. */
  end(): void {
    this.#parser.end();
  }
}

/** The contents of the one plain file in a NAR, as they come. Throws {@link FormatError} for any other NAR. */
export async function* singleFileContents(nar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  const parser = new SingleFileParser();
  for await (const chunk of nar) yield* parser.push(chunk);
  parser.end();
}
