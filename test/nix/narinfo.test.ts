import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fingerprint } from "../../src/nix/fingerprint.ts";
import { FormatError } from "../../src/nix/format-error.ts";
import { formatNarInfo, NARINFO_LIMITS, parseNarInfo } from "../../src/nix/narinfo.ts";
import { golden, goldenPath, PATHS } from "./golden.ts";

const text = golden("narinfo/floating-self.narinfo").toString();

test("every narinfo that Nix wrote reads as what Nix says of the path, and is written with the same bytes", () => {
  for (const [name, info] of PATHS) {
    const written = golden(`narinfo/${name}.narinfo`).toString();
    const read = parseNarInfo(written);
    assert.equal(formatNarInfo(read), written);
    assert.equal(read.info.signatures.length, 1);
    assert.deepEqual({ ...read.info, signatures: [] }, info);
    assert.equal(read.compression, "none");
    assert.equal(read.fileSize, info.narSize);
    assert.equal(read.fileHash, info.narHash);
  }
});

test("the fingerprint is Nix's: full paths in order, itself among them", () => {
  assert.equal(
    fingerprint(goldenPath("floating-self")),
    "1;/nix/store/h7w23yxlzqahq8m3jgy0w448zy7sxb6x-floating-self;sha256:1ykjqknlz55lva7wngmigpg4szylpxjx5p8d70wsins4qjgsy8yz;344;" +
      "/nix/store/h7w23yxlzqahq8m3jgy0w448zy7sxb6x-floating-self,/nix/store/xfdcvf1lngd8yq9n3za6z6xr658hkw1j-source",
  );
  assert.match(fingerprint(goldenPath("text")), /;120;$/);
});

test("what other writers do differently is read too", () => {
  const unknown = `${text}System: x86_64-linux\nFuture: thing\n\n`;
  assert.deepEqual(parseNarInfo(unknown), parseNarInfo(text));
  const bare = golden("narinfo/text.narinfo").toString().replace("References: \n", "References:\n");
  assert.deepEqual(parseNarInfo(bare), parseNarInfo(golden("narinfo/text.narinfo").toString()));
  const sparse = text
    .replace(/^(FileHash|FileSize|Compression): .*\n/gm, "")
    .replace(/^Deriver: .*$/m, "Deriver: unknown-deriver");
  const read = parseNarInfo(sparse);
  assert.deepEqual([read.fileHash, read.fileSize, read.info.deriver], [undefined, undefined, undefined]);
  assert.equal(read.compression, "bzip2");
});

test("a narinfo that lacks, repeats or garbles a field is refused, and the message names the field", () => {
  const without = (key: string) => text.replace(new RegExp(`^${key}: .*\n`, "m"), "");
  const changed = (key: string, value: string) => text.replace(new RegExp(`^${key}: .*$`, "m"), `${key}: ${value}`);
  for (const key of ["StorePath", "URL", "NarHash", "NarSize"]) {
    assert.throws(() => parseNarInfo(without(key)), new RegExp(`lacks ${key}`));
  }
  const bad: [string, string][] = [
    ["StorePath", "/etc/passwd"],
    ["NarHash", "sha1:00"],
    ["NarSize", "-1"],
    ["NarSize", "1e3"],
    ["NarSize", "99999999999999999"],
    ["References", "../../etc"],
    ["Deriver", "x"],
    ["FileHash", "sha256:x"],
    ["CA", "x".repeat(201)],
  ];
  for (const [key, value] of bad) assert.throws(() => parseNarInfo(changed(key, value)), new RegExp(`bad ${key}`));
  assert.throws(() => parseNarInfo(changed("Sig", "x:y")), /signature/);
  assert.throws(() => parseNarInfo(`${text}NarSize: 1\n`), /NarSize twice/);
  assert.throws(() => parseNarInfo(`${text}no colon\n`), /line "no colon"/);
});

test("a narinfo at its limits is taken, past them refused", () => {
  const sig = /^Sig: .*\n/m.exec(text)?.[0] ?? "";
  const signed = (count: number) => text.replace(sig, sig.repeat(count));
  assert.equal(parseNarInfo(signed(NARINFO_LIMITS.signatures)).info.signatures.length, NARINFO_LIMITS.signatures);
  assert.throws(() => parseNarInfo(signed(NARINFO_LIMITS.signatures + 1)), /too many/);
  const referring = (count: number) =>
    text.replace(/^References: (\S+) .*$/m, (_, name) => `References:${` ${name}`.repeat(count)}`);
  assert.equal(parseNarInfo(referring(NARINFO_LIMITS.references)).info.references.length, 1);
  assert.throws(() => parseNarInfo(referring(NARINFO_LIMITS.references + 1)), /bad References/);
  const padded = (length: number) => text + "\n".repeat(length - text.length);
  assert.ok(parseNarInfo(padded(NARINFO_LIMITS.text)));
  assert.throws(() => parseNarInfo(padded(NARINFO_LIMITS.text + 1)), /too long/);
});

test("any text, and a narinfo with any line changed, ends in an answer or a format error", () => {
  const lines = text.split("\n");
  const changed = fc.tuple(fc.nat(lines.length - 1), fc.string()).map(([at, line]) => lines.with(at, line).join("\n"));
  fc.assert(
    fc.property(fc.oneof(fc.string(), changed), input => {
      try {
        parseNarInfo(input);
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
    }),
    { numRuns: 300 },
  );
});
