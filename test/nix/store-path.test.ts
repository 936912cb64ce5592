import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256 } from "../../src/nix/hash.ts";
import {
  baseName,
  hashPart,
  isDerivationPath,
  MAX_NAME,
  makeFixedPath,
  makeStorePath,
  makeTextPath,
  nameOf,
  parseBaseName,
  parseStorePath,
  sortedPaths,
} from "../../src/nix/store-path.ts";
import { goldenPath, storePath } from "./golden.ts";

const DIGEST = "m8hih8zfj545qhflcblkalczi1c3944j";
const textHash = { algorithm: "sha256", hex: sha256("a text\n") } as const;

test("a store path comes apart into digest and name", () => {
  const path = storePath(`/nix/store/${DIGEST}-some-name-1.0.drv`);
  assert.equal(hashPart(path), DIGEST);
  assert.equal(nameOf(path), "some-name-1.0.drv");
  assert.equal(baseName(path), `${DIGEST}-some-name-1.0.drv`);
  assert.equal(parseBaseName(baseName(path)), path);
  assert.ok(isDerivationPath(path));
});

test("paths that lead elsewhere, or that the daemon chokes on, are no store paths", () => {
  const wrong = [
    "",
    "/nix/store",
    `/nix/store/${DIGEST}`,
    `/nix/store/${DIGEST}-`,
    `/nix/store/${DIGEST.slice(1)}-a`,
    `/nix/store/e${DIGEST.slice(1)}-a`,
    `/nix/store/${DIGEST}-a/b`,
    `/nix/store/${DIGEST}-a/../b`,
    `/nix/store/${DIGEST}-a\n`,
    `/nix/store/${DIGEST}-a\0`,
    `/nix/store/${DIGEST}-a!out`,
    `/nix/store/${DIGEST}-a*`,
    `/nix/store/${DIGEST}-ü`,
    `/nix/store/${DIGEST}-.`,
    `/nix/store/${DIGEST}-..`,
    `/nix/store/${DIGEST}-.-a`,
    `/nix/store//${DIGEST}-a`,
    ` /nix/store/${DIGEST}-a`,
    `/tmp/store/${DIGEST}-a`,
    `${DIGEST}-a`,
  ];
  for (const text of wrong) assert.equal(parseStorePath(text), undefined, JSON.stringify(text));
  assert.equal(parseBaseName(`x/${DIGEST}-a`), undefined);
});

test("a name of 211 characters is taken, one of 212 is not", () => {
  const path = (length: number) => `/nix/store/${DIGEST}-${"n".repeat(length)}`;
  assert.equal(parseStorePath(path(MAX_NAME)), path(MAX_NAME));
  assert.equal(parseStorePath(path(MAX_NAME + 1)), undefined);
  assert.ok(makeTextPath("n".repeat(MAX_NAME), textHash));
  assert.equal(makeTextPath("n".repeat(MAX_NAME + 1), textHash), undefined);
});

test("a text gets the path that Nix gave it", () => {
  assert.equal(makeTextPath("text", textHash), goldenPath("text").path);
  assert.equal(makeStorePath("text", textHash.hex, "text"), goldenPath("text").path);
});

test("no path is made of what Nix makes none of", () => {
  const other = goldenPath("text").path;
  assert.equal(makeTextPath("a/b", textHash), undefined);
  assert.equal(makeTextPath("a", textHash, { others: [], self: true }), undefined);
  assert.equal(makeTextPath("a", { algorithm: "sha512", hex: "00".repeat(64) }), undefined);
  assert.equal(makeFixedPath("a", "flat", textHash, { others: [other], self: false }), undefined);
  assert.equal(makeFixedPath("a", "flat", textHash, { others: [], self: true }), undefined);
});

test("references count once and in order, however they are given", () => {
  const [a, b] = [goldenPath("text").path, goldenPath("plain").path];
  assert.deepEqual(sortedPaths([b, a, b]), [a, b].sort());
  const first = makeTextPath("x", textHash, { others: [a, b], self: false });
  assert.equal(makeTextPath("x", textHash, { others: [b, a, b], self: false }), first);
});
