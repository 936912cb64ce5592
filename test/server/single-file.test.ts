import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SingleFile } from "../../src/server/upload/single-file.ts";
import { chunksOf, fileNar } from "../fakes/make-path.ts";

async function read(nar: Uint8Array, chunk: number, size = nar.length): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = [];
  const file = new SingleFile(size, piece => pieces.push(Uint8Array.from(piece)));
  for await (const piece of chunksOf(nar, chunk)) if (!file.update(piece)) return undefined;
  return file.complete ? Buffer.concat(pieces) : undefined;
}

test("the content of a plain file's archive comes out, however it is cut", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 400 }), async (content, chunk) => {
      assert.deepEqual(Buffer.from((await read(fileNar(content), chunk)) ?? "none"), Buffer.from(content));
    }),
  );
});

test("an archive with any byte changed is no plain file's, or has another content", async () => {
  const nar = fileNar("some words");
  for (let at = 0; at < nar.length; at++) {
    const changed = Uint8Array.from(nar);
    changed[at] = (changed[at] ?? 0) ^ 1;
    const content = await read(changed, 7);
    assert.notEqual(content && Buffer.from(content).toString(), "some words", `byte ${at}`);
  }
});

test("an archive that ends early or goes on is no plain file's", async () => {
  const nar = fileNar("some words");
  assert.equal(await read(nar.subarray(0, -1), 64, nar.length), undefined);
  assert.equal(await read(Buffer.concat([nar, Buffer.alloc(1)]), 64, nar.length + 1), undefined);
});
