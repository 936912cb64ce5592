import assert from "node:assert/strict";
import { test } from "node:test";
import { pathParts } from "../../bench/micro/path-parts.ts";
import { stateParts } from "../../bench/micro/state-parts.ts";
import { streamParts } from "../../bench/micro/stream-parts.ts";

test("every part that is measured alone does some work, and so does what it is held against", async () => {
  const state = await stateParts();
  try {
    const parts = [...(await streamParts()), ...pathParts(), ...state.parts];
    for (const what of ["frames", "NAR", "hash", "narinfo", "admission", "zstd", "LMDB"]) {
      assert.ok(
        parts.some(({ name }) => name.includes(what)),
        `nothing measures ${what}`,
      );
    }
    for (const { name, ours, limit } of parts) {
      assert.ok((await ours()) > 0, name);
      assert.ok((await limit()) > 0, `the limit of ${name}`);
    }
  } finally {
    await state.end();
  }
});
