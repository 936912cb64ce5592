import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBase32, encodeBase32 } from "../../src/nix/base32.ts";
import {
  createHasher,
  formatHash,
  HASH_LENGTH,
  type HashAlgorithm,
  parseHash,
  parseSha256,
  sha256,
  sha256FromBytes,
  sha256ToBytes,
} from "../../src/nix/hash.ts";

const EMPTY = {
  hex: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  nix32: "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73",
  sri: "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
};

test("the hash of nothing reads from and prints to every form Nix has", () => {
  const hash = { algorithm: "sha256", hex: EMPTY.hex } as const;
  assert.equal(sha256(""), EMPTY.hex);
  for (const text of [`sha256:${EMPTY.hex}`, `sha256:${EMPTY.nix32}`, EMPTY.sri]) {
    assert.deepEqual(parseHash(text), hash);
    assert.equal(parseSha256(text), EMPTY.hex);
  }
  assert.equal(parseSha256(EMPTY.hex), EMPTY.hex);
  assert.equal(formatHash(hash, "hex"), `sha256:${EMPTY.hex}`);
  assert.equal(formatHash(hash, "nix32"), `sha256:${EMPTY.nix32}`);
  assert.equal(formatHash(hash, "sri"), EMPTY.sri);
});

test("texts that are nearly hashes are refused", () => {
  const wrong = [
    "",
    ":",
    "sha256",
    "sha256:",
    `sha256:${EMPTY.hex}0`,
    `sha256:${EMPTY.hex.toUpperCase()}`,
    `sha1:${EMPTY.hex}`,
    `__proto__:${EMPTY.hex}`,
    `toString:${EMPTY.hex}`,
    `sha256:${EMPTY.nix32.replace("m", "e")}`,
    `sha256:z${EMPTY.nix32.slice(1)}`,
    EMPTY.sri.slice(0, -1),
    EMPTY.sri.replace("+", "-"),
    `${EMPTY.sri}\n`,
    EMPTY.sri.replace("FU=", "FV="),
  ];
  for (const text of wrong) assert.equal(parseHash(text), undefined, text);
  assert.equal(parseSha256(`${EMPTY.hex}\n`), undefined);
  assert.equal(parseSha256(`sha1:${EMPTY.hex.slice(0, 40)}`), undefined);
});

test("any digest survives every form", () => {
  const algorithm = fc.constantFrom(...(Object.keys(HASH_LENGTH) as HashAlgorithm[]));
  const hash = algorithm.chain(algorithm => {
    const length = HASH_LENGTH[algorithm];
    const bytes = fc.uint8Array({ minLength: length, maxLength: length });
    return bytes.map(bytes => ({ algorithm, hex: Buffer.from(bytes).toString("hex") }));
  });
  fc.assert(
    fc.property(hash, fc.constantFrom("hex", "nix32", "sri"), (hash, form) => {
      assert.deepEqual(parseHash(formatHash(hash, form)), hash);
    }),
  );
});

test("any bytes survive base32, and base32 has one text for each", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), bytes => {
      assert.deepEqual(decodeBase32(encodeBase32(bytes), bytes.length), bytes);
    }),
  );
  const text = fc.string({ unit: fc.constantFrom(..."0123abz"), minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(text, text => {
      const bytes = decodeBase32(text, 2);
      if (bytes) assert.equal(encodeBase32(bytes), text);
    }),
  );
});

test("a hash of fragments is the hash of the whole", () => {
  const hasher = createHasher("sha256");
  for (const part of ["a", "", "bc"]) hasher.update(Buffer.from(part));
  assert.equal(hasher.size, 3);
  assert.equal(hasher.digest().hex, sha256("abc"));
});

test("a digest of another length than 32 bytes is no SHA-256", () => {
  const hash = sha256("x");
  assert.equal(sha256FromBytes(sha256ToBytes(hash)), hash);
  for (const length of [0, 20, 31, 33]) assert.equal(sha256FromBytes(new Uint8Array(length)), undefined);
});
