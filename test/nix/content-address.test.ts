import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  contentAddressedPath,
  formatContentAddress,
  MAX_CONTENT_ADDRESS,
  parseContentAddress,
  provingHash,
  requiredHash,
} from "../../src/nix/content-address.ts";
import { FormatError } from "../../src/nix/format-error.ts";
import { createHasher } from "../../src/nix/hash.ts";
import { createModuloHasher } from "../../src/nix/nar/modulo.ts";
import { singleFileContents } from "../../src/nix/nar/single-file.ts";
import { hashPart, nameOf, splitReferences } from "../../src/nix/store-path.ts";
import { fragments } from "./bytes.ts";
import { golden, goldenPath, PATHS, storePath } from "./golden.ts";

const HASH = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
const addressed = [...PATHS].filter(([, info]) => info.ca !== undefined);

test("every content-addressed path that Nix made follows from its content address, name and references", () => {
  assert.equal(addressed.length, 14);
  for (const [name, info] of addressed) {
    const ca = parseContentAddress(info.ca ?? "");
    assert.notEqual(ca.method, "unknown", name);
    assert.equal(formatContentAddress(ca), info.ca);
    assert.equal(
      contentAddressedPath(ca, nameOf(info.path), splitReferences(info.path, info.references)),
      info.path,
      name,
    );
    assert.deepEqual(provingHash(info), requiredHash(ca));
  }
});

test("the hash that a content address demands is found in the bytes that Nix stored", async () => {
  for (const [name, info] of addressed) {
    const proof = provingHash(info);
    assert.ok(proof);
    const nar = fragments(golden(`nar/${name}.nar`), 13);
    const over = proof.over === "content" ? singleFileContents(nar) : nar;
    const { algorithm } = proof.hash;
    const hasher =
      proof.over === "content" ? createHasher(algorithm) : createModuloHasher(algorithm, hashPart(info.path));
    for await (const chunk of over) hasher.update(chunk);
    assert.deepEqual(hasher.digest(), proof.hash, name);
  }
});

test("a path that refers to itself is hashed the same however its bytes are cut", () => {
  const info = goldenPath("floating-self");
  const nar = golden("nar/floating-self.nar");
  assert.ok(info.references.includes(info.path));
  for (const size of [1, 31, 32, 33, 64, 1000]) {
    const hasher = createModuloHasher("sha256", hashPart(info.path));
    for (let at = 0; at < nar.length; at += size) hasher.update(nar.subarray(at, at + size));
    assert.equal(hasher.size, nar.length);
    assert.deepEqual(hasher.digest(), provingHash(info)?.hash);
  }
});

test("a peer that changes name, references or address of a path does not prove it", () => {
  const text = goldenPath("text-refs");
  const self = goldenPath("floating-self");
  const [reference = text.path] = text.references;
  const lies = [
    { ...text, path: storePath(`${text.path}x`) },
    { ...text, references: [] },
    { ...text, references: [...text.references, text.path] },
    { ...text, ca: goldenPath("text").ca ?? "" },
    { ...text, ca: (text.ca ?? "").replace("text:", "fixed:r:") },
    { ...self, references: self.references.filter(path => path !== self.path) },
    { ...goldenPath("flat-sha256"), references: [reference] },
  ];
  for (const info of lies) assert.throws(() => provingHash(info), /does not follow/);
});

test("git and unknown content addresses are named and prove nothing", () => {
  assert.equal(parseContentAddress(`fixed:git:sha1:${HASH.slice(0, 32)}`).method, "git");
  const { ca: _, ...none } = goldenPath("text");
  assert.equal(provingHash(none), undefined);
  for (const ca of [`fixed:git:sha1:${HASH.slice(0, 32)}`, "fixed:blake3:x", ""]) {
    assert.throws(() => provingHash({ ...none, ca }), /unknown kind/);
  }
});

test("texts that are nearly content addresses are unknown", () => {
  const wrong = [
    "",
    "text",
    `text:${HASH}`,
    `text:r:sha256:${HASH}`,
    `fixed::sha256:${HASH}`,
    `fixed:sha256:${HASH}\n`,
    ` fixed:sha256:${HASH}`,
    `fixed:sha1:${HASH}`,
    `fixed:sha256:${HASH.slice(1)}`,
    `fixed:sha256:${"0".repeat(64)}`,
    `fixed:sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=`,
    `fixed:constructor:${HASH}`,
    `fixed:sha256:${"0".repeat(MAX_CONTENT_ADDRESS)}`,
  ];
  for (const text of wrong) assert.deepEqual(parseContentAddress(text), { method: "unknown", text });
});

test("any text is a content address that prints back to itself, and never throws but the format error", () => {
  const part = fc.constantFrom("text:", "fixed:", "r:", "git:", "sha256:", "md5:", "sha512:", HASH, "");
  const likely = fc.array(part, { maxLength: 5 }).map(parts => parts.join(""));
  fc.assert(
    fc.property(fc.oneof(fc.string(), likely), text => {
      const ca = parseContentAddress(text);
      assert.equal(formatContentAddress(ca), text);
      try {
        provingHash({ ...goldenPath("text"), ca: text });
      } catch (error) {
        assert.ok(error instanceof FormatError);
      }
    }),
  );
});
