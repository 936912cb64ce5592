import { FormatError } from "./format-error.ts";

/**
 * The part of the ATerm language that `.drv` files use: `"text"` with the escapes `\" \\ \n \r \t`, `[a,b]`, `(a,b)`, and fixed words.
 * A reader goes forward over one text; lists hold what the given function reads, so nesting is as deep as the caller's code and no deeper.
 */
export class AtermReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Passes over exactly this word. */
  expect(word: string): void {
    if (!this.#text.startsWith(word, this.#at)) this.fail(`expected ${word}`);
    this.#at += word.length;
  }

  /** A string. */
  string(): string {
    this.expect('"');
    let value = "";
    for (;;) {
      PLAIN.lastIndex = this.#at;
      value += PLAIN.exec(this.#text)?.[0] ?? "";
      this.#at = PLAIN.lastIndex;
      const mark = this.#text[this.#at];
      if (mark === undefined) this.fail("a string does not end");
      if (mark === '"') break;
      const escaped = ESCAPES[this.#text.charAt(this.#at + 1)];
      if (escaped === undefined) this.fail("an unknown escape");
      value += escaped;
      this.#at += 2;
    }
    this.#at++;
    return value;
  }

  /** `[` items `]`. */
  list<T>(item: () => T): T[] {
    this.expect("[");
    const items: T[] = [];
    while (this.#text[this.#at] !== "]") {
      if (items.length > 0) this.expect(",");
      items.push(item());
    }
    this.#at++;
    return items;
  }

  /** `(` strings `)`, exactly so many. */
  tuple(length: number): string[] {
    this.expect("(");
    const items: string[] = [];
    for (let i = 0; i < length; i++) {
      if (i > 0) this.expect(",");
      items.push(this.string());
    }
    this.expect(")");
    return items;
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#text.length) this.fail("something follows the end");
  }

  fail(what: string): never {
    throw new FormatError(`not a derivation: ${what} at character ${this.#at}`);
  }
}

const PLAIN = /[^"\\]*/y;
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', "\\": "\\", n: "\n", r: "\r", t: "\t" };
const WRITTEN: Readonly<Record<string, string>> = { '"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A string as an ATerm. */
export function atermString(value: string): string {
  return `"${value.replace(/["\\\n\r\t]/g, char => WRITTEN[char] ?? char)}"`;
}

/** A list of ready items. */
export function atermList(items: Iterable<string>): string {
  return `[${[...items].join(",")}]`;
}
