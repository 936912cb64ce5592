import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FormatError } from "../../src/nix/format-error.ts";
import { encodeNar } from "../../src/nix/nar/encode.ts";
import { NAR_LIMITS, type NarEvent } from "../../src/nix/nar/event.ts";
import { NarParser, readNar } from "../../src/nix/nar/reader.ts";
import { SingleFileParser, singleFileContents } from "../../src/nix/nar/single-file.ts";
import { fragments, gather } from "./bytes.ts";

const MAGIC = "nix-archive-1";
const FILE = [MAGIC, "(", "type", "regular", "contents", "hello", ")"];

/** Strings as a NAR writes them. */
function wire(...values: (string | Buffer)[]): Buffer {
  const parts = values.flatMap(value => {
    const bytes = Buffer.from(value as string, "latin1");
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(bytes.length));
    return [length, bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)];
  });
  return Buffer.concat(parts);
}

function folder(...names: (string | Buffer)[]): Buffer {
  const entries = names.flatMap(name => ["entry", "(", "name", name, "node", "(", "type", "directory", ")", ")"]);
  return wire(MAGIC, "(", "type", "directory", ...entries, ")");
}

function nested(depth: number): Buffer {
  const open = ["(", "type", "directory", "entry", "(", "name", "d", "node"];
  const inner = ["(", "type", "directory", ")"];
  return wire(
    MAGIC,
    ...Array(depth - 1)
      .fill(open)
      .flat(),
    ...inner,
    ...Array(depth - 1)
      .fill([")", ")"])
      .flat(),
  );
}

function parse(...chunks: Uint8Array[]): NarEvent[] {
  const parser = new NarParser();
  const events = chunks.flatMap(chunk => [...parser.push(chunk)]);
  parser.end();
  return events;
}

function refuses(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => parse(bytes),
    error => error instanceof FormatError && message.test(error.message),
  );
}

test("a file is read with its contents whichever way its bytes are cut", async () => {
  const nar = wire(...FILE);
  for (const size of [1, 2, 3, 7, 8, 9, 64, 1000]) {
    assert.equal(Buffer.from(await gather(singleFileContents(fragments(nar, size)))).toString(), "hello");
  }
});

test("an archive that is cut off anywhere, or that goes on after its end, is refused", () => {
  const nar = wire(...FILE);
  for (let end = 0; end < nar.length; end++) refuses(nar.subarray(0, end), /ends early/);
  refuses(Buffer.concat([nar, Buffer.alloc(1)]), /followed by more/);
  assert.throws(() => parse(nar, Buffer.alloc(8)), /followed by more/);
});

test("after an error the parser only throws", () => {
  const parser = new NarParser();
  assert.throws(() => [...parser.push(wire("nix-archive-2"))], FormatError);
  assert.throws(() => [...parser.push(wire(...FILE))], /after an error/);
  assert.throws(() => parser.end(), FormatError);
});

test("a length over its limit is refused before its bytes come", () => {
  const huge = Buffer.alloc(8, 0xff);
  refuses(huge, /where 13 are the most/);
  refuses(Buffer.concat([wire(MAGIC, "(", "type", "symlink", "target"), huge]), /where 4095/);
  refuses(Buffer.concat([wire(MAGIC, "(", "type", "directory", "entry", "(", "name"), huge]), /where 255/);
  refuses(Buffer.concat([wire(MAGIC, "(", "type", "regular", "contents"), huge]), /are the most/);
});

test("a file of any announced size is passed on without waiting for its end", () => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Number.MAX_SAFE_INTEGER));
  const events = [
    ...new NarParser().push(Buffer.concat([wire(MAGIC, "(", "type", "regular", "contents"), length, Buffer.from("x")])),
  ];
  assert.deepEqual(
    events.map(event => event.kind),
    ["file", "bytes"],
  );
});

test("names that leave the folder, repeat or go backwards are refused", () => {
  for (const name of ["", ".", "..", "a/b", "/", "a\0b"]) refuses(folder(name), /file name/);
  refuses(folder("a", "a"), /after "a"/);
  refuses(folder("b", "a"), /after "b"/);
  refuses(folder("a\xff", "a"), /after/);
  assert.equal(parse(folder("A", "a", "a ", "a.", "aa", "\xff")).length, 2 + 6 * 3);
});

test("names, link targets and depth are taken at their limit and refused past it", () => {
  const link = (length: number) => wire(MAGIC, "(", "type", "symlink", "target", "t".repeat(length), ")");
  assert.equal(parse(folder("n".repeat(NAR_LIMITS.name))).length, 5);
  refuses(folder("n".repeat(NAR_LIMITS.name + 1)), /256 bytes/);
  assert.equal(parse(link(NAR_LIMITS.target)).length, 1);
  refuses(link(NAR_LIMITS.target + 1), /4096 bytes/);
  refuses(link(0), /link target/);
  refuses(wire(MAGIC, "(", "type", "symlink", "target", "a\0b", ")"), /link target/);
  assert.equal(parse(nested(NAR_LIMITS.depth)).filter(event => event.kind === "directory").length, NAR_LIMITS.depth);
  refuses(nested(NAR_LIMITS.depth + 1), /in one another/);
});

test("what Nix's grammar does not have is refused", () => {
  refuses(wire(MAGIC, "(", "type", "fifo", ")"), /type "fifo"/);
  refuses(wire(MAGIC, "(", "type", "regular", ")"), /"\)" in a file/);
  refuses(wire(MAGIC, "(", "type", "regular", "executable", "1", "contents", "", ")"), /where "" must be/);
  refuses(wire(MAGIC, "(", "type", "regular", "contents", "", "contents", "", ")"), /where/);
  refuses(wire(MAGIC, "(", "type", "directory", "entry", "(", "node", "(", ")", ")"), /where "name"/);
  refuses(wire(MAGIC, "(", "type", "directory", "other", ")"), /in a folder/);
  const padded = wire(...FILE);
  padded[padded.indexOf("hello") + 6] = 1;
  refuses(padded, /padding/);
  const word = wire(...FILE);
  word[9 + MAGIC.length - 1] = 7;
  refuses(word, /padding/);
});

test("only one plain file counts as contents", () => {
  const others = [
    folder(),
    folder("a"),
    wire(MAGIC, "(", "type", "symlink", "target", "x", ")"),
    wire(MAGIC, "(", "type", "regular", "executable", "", "contents", "x", ")"),
  ];
  for (const nar of others) assert.throws(() => [...new SingleFileParser().push(nar)], /one plain file/);
});

test("any tree survives writing and reading, in fragments of any size", async () => {
  await fc.assert(
    fc.asyncProperty(tree(), fc.integer({ min: 1, max: 50 }), async (events, size) => {
      const nar = await gather(encodeNar(events));
      const read: NarEvent[] = [];
      for await (const event of readNar(fragments(nar, size))) read.push(event);
      assert.deepEqual(joined(read), joined(events));
    }),
    { numRuns: 60 },
  );
});

test("any bytes, and archives with any byte changed, end in an answer or a format error", async () => {
  const nar = await gather(encodeNar(SAMPLE));
  const changed = fc.tuple(fc.nat(nar.length - 1), fc.integer({ min: 0, max: 255 })).map(([at, byte]) => {
    const copy = Buffer.from(nar);
    copy[at] = byte;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), changed), bytes => {
      try {
        parse(bytes);
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
    }),
    { numRuns: 500 },
  );
});

test("the writer refuses events that make no archive", async () => {
  const name = Buffer.from("a");
  const wrong: NarEvent[][] = [
    [],
    [{ kind: "directory" }],
    [{ kind: "directory-end" }],
    [{ kind: "file", executable: false, size: 1 }, { kind: "file-end" }],
    [{ kind: "file", executable: false, size: 0 }, { kind: "bytes", bytes: name }, { kind: "file-end" }],
    [{ kind: "directory" }, { kind: "entry", name }, { kind: "directory-end" }],
    [
      { kind: "symlink", target: name },
      { kind: "symlink", target: name },
    ],
    [{ kind: "directory" }, { kind: "entry", name: Buffer.from("..") }],
  ];
  for (const events of wrong) await assert.rejects(gather(encodeNar(events)), FormatError);
});

const SAMPLE: NarEvent[] = [
  { kind: "directory" },
  { kind: "entry", name: Buffer.from("link") },
  { kind: "symlink", target: Buffer.from("run") },
  { kind: "entry", name: Buffer.from("run") },
  { kind: "file", executable: true, size: 3 },
  { kind: "bytes", bytes: Buffer.from("abc") },
  { kind: "file-end" },
  { kind: "directory-end" },
];

/** Events with the pieces of each file's contents put together. */
function joined(events: NarEvent[]): unknown[] {
  const out: unknown[] = [];
  let parts: Uint8Array[] = [];
  for (const event of events) {
    if (event.kind === "bytes") parts.push(event.bytes);
    else if (event.kind === "file-end") {
      out.push(Buffer.concat(parts).toString("hex"));
      parts = [];
    } else out.push(event.kind === "entry" ? event.name.toString("hex") : JSON.stringify(event));
  }
  return out;
}

function tree(): fc.Arbitrary<NarEvent[]> {
  const bytes = (max: number) => fc.uint8Array({ minLength: 1, maxLength: max }).map(value => Buffer.from(value));
  const name = bytes(12).filter(value => !/^\.\.?$|[/\0]/.test(value.toString("latin1")));
  const file = fc
    .record({ executable: fc.boolean(), bytes: fc.uint8Array({ maxLength: 40 }) })
    .map(({ executable, bytes }): NarEvent[] => [
      { kind: "file", executable, size: bytes.length },
      ...(bytes.length > 0 ? [{ kind: "bytes", bytes } as const] : []),
      { kind: "file-end" },
    ]);
  const link = bytes(20)
    .filter(value => !value.includes(0))
    .map((target): NarEvent[] => [{ kind: "symlink", target }]);
  const { node } = fc.letrec<{ node: NarEvent[] }>(tie => ({
    node: fc.oneof(
      { maxDepth: 4 },
      file,
      link,
      fc
        .dictionary(
          name.map(n => n.toString("latin1")),
          tie("node"),
          { maxKeys: 4 },
        )
        .map((entries): NarEvent[] => {
          const sorted = Object.entries(entries).map(([name, node]) => ({ name: Buffer.from(name, "latin1"), node }));
          sorted.sort((a, b) => Buffer.compare(a.name, b.name));
          const inner = sorted.flatMap(({ name, node }): NarEvent[] => [{ kind: "entry", name }, ...node]);
          return [{ kind: "directory" }, ...inner, { kind: "directory-end" }];
        }),
    ),
  }));
  return node;
}
