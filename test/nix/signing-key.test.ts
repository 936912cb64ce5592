import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FormatError } from "../../src/nix/format-error.ts";
import { parseNarInfo } from "../../src/nix/narinfo.ts";
import {
  formatPublicKey,
  formatSecretKey,
  generateSecretKey,
  isSignature,
  MAX_KEY_NAME,
  parsePublicKey,
  parseSecretKey,
  signerOf,
  signPath,
} from "../../src/nix/signing-key.ts";
import { golden, goldenPath, PATHS } from "./golden.ts";

const secretText = golden("signing-key.secret").toString();
const publicText = golden("signing-key.public").toString();
const secret = parseSecretKey(secretText);
const trusted = parsePublicKey(publicText);

test("Nix's signatures verify, and ours over the same paths are the same bytes", () => {
  for (const name of PATHS.keys()) {
    const { info } = parseNarInfo(golden(`narinfo/${name}.narinfo`).toString());
    assert.equal(signerOf(info, [trusted]), trusted, name);
    assert.deepEqual([signPath(info, secret)], info.signatures);
  }
});

test("Nix's key files read and print back", () => {
  assert.equal(formatSecretKey(secret), secretText.trim());
  assert.equal(formatPublicKey(trusted), publicText.trim());
  assert.equal(formatPublicKey(secret.public), publicText.trim());
});

test("a new key signs what its public half verifies, after being written to a file", () => {
  const key = parseSecretKey(`${formatSecretKey(generateSecretKey("new-1"))}\n`);
  const info = goldenPath("several-1");
  const signed = { ...info, signatures: [signPath(info, key)] };
  assert.equal(signerOf(signed, [trusted, key.public]), key.public);
});

test("a signature does not carry over to another path, hash, size, references, name or key", () => {
  const info = goldenPath("several-1");
  const other = generateSecretKey("golden-1");
  const signatures = [signPath(info, secret)];
  assert.equal(signerOf({ ...info, signatures }, [other.public, trusted]), trusted);
  const lies = [
    { ...info, signatures, path: goldenPath("text").path },
    { ...info, signatures, narHash: goldenPath("text").narHash },
    { ...info, signatures, narSize: info.narSize + 1 },
    { ...info, signatures, references: info.references.slice(1) },
    { ...info, signatures: [signPath(info, other)] },
    { ...info, signatures: [(signatures[0] ?? "").replace("golden-1", "golden-2")] },
    { ...info, signatures: ["golden-1", "golden-1:", ":", "", "golden-1:AAAA"] },
    { ...info, signatures: [] },
  ];
  for (const lie of lies) assert.equal(signerOf(lie, [trusted]), undefined);
  assert.equal(signerOf({ ...info, signatures }, []), undefined);
});

test("a broken key is refused, and the message does not repeat a secret", () => {
  const [name, encoded = ""] = secretText.trim().split(":");
  const halves = Buffer.from(encoded, "base64");
  halves[63] = (halves[63] ?? 0) ^ 1;
  const broken = [
    "",
    "x",
    `${name}:`,
    `:${encoded}`,
    `${name}:${encoded.slice(4)}`,
    `${name}:${encoded}=`,
    `a b:${encoded}`,
  ];
  for (const text of [...broken, publicText, `${name}:${halves.toString("base64")}`]) {
    assert.throws(
      () => parseSecretKey(text),
      error => error instanceof FormatError && !error.message.includes(encoded.slice(4, 20)),
    );
  }
  for (const text of ["", "golden-1", "golden-1:AAAA", secretText, publicText.replace(":", " ")]) {
    assert.throws(() => parsePublicKey(text), FormatError);
  }
});

test("a secret key in the place of a public one is refused by its name alone", () => {
  const secret = formatSecretKey(generateSecretKey("builder-1"));
  const [, bytes = ""] = secret.split(":");
  for (const text of [secret, secret.slice(0, -1), `${secret}x`, bytes]) {
    assert.throws(
      () => parsePublicKey(text),
      error => error instanceof FormatError && !error.message.includes(bytes.slice(0, 9)),
    );
  }
  assert.throws(() => parsePublicKey("sixteen-letters-"), /"sixteen-letters-" is not/);
  assert.throws(() => parsePublicKey("seventeen-letters"), /"seventee\.\.\." is not/);
  assert.throws(() => parsePublicKey(secret), /^FormatError: "builder-1:\.\.\." is not a Nix public signing key/);
});

test("a key name of 255 characters is taken, a longer or unprintable one is not", () => {
  assert.equal(generateSecretKey("n".repeat(MAX_KEY_NAME)).name.length, MAX_KEY_NAME);
  for (const name of ["", "n".repeat(MAX_KEY_NAME + 1), "a:b", "a b", "a\n", "ü"]) {
    assert.throws(() => generateSecretKey(name), FormatError);
  }
});

test("any text is a signature or not, without an error", () => {
  fc.assert(fc.property(fc.string(), text => assert.equal(isSignature(text), false)));
  assert.ok(isSignature(signPath(goldenPath("text"), secret)));
});
