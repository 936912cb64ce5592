import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeBase32, encodeBase32 } from "../../src/lib/base32.ts";

test("the examples of RFC 4648 go both ways", () => {
  const examples = {
    "": "",
    f: "my",
    fo: "mzxq",
    foo: "mzxw6",
    foob: "mzxw6yq",
    fooba: "mzxw6ytb",
    foobar: "mzxw6ytboi",
  };
  for (const [plain, text] of Object.entries(examples)) {
    assert.equal(encodeBase32(Buffer.from(plain)), text);
    assert.deepEqual(Buffer.from(decodeBase32(text) ?? [1]), Buffer.from(plain));
  }
});

test("any bytes come back, and every text that decodes is the one that encodes", () => {
  fc.assert(fc.property(fc.uint8Array(), bytes => assert.deepEqual(decodeBase32(encodeBase32(bytes)), bytes)));
  const texts = fc.string({ unit: fc.constantFrom(..."abcdefghijklmnopqrstuvwxyz234567"), maxLength: 20 });
  fc.assert(
    fc.property(texts, text => {
      const bytes = decodeBase32(text);
      if (bytes !== undefined) assert.equal(encodeBase32(bytes), text);
    }),
  );
});

test("other characters, impossible lengths and left-over bits are refused", () => {
  for (const text of ["MY", "m1", "my=", "m", "mzx", "mz", "é"]) assert.equal(decodeBase32(text), undefined, text);
});
