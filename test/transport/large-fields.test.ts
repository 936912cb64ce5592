import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { CacheFetchResponseSchema } from "../../gen/drvthru/v1/cache_pb.js";
import { splitterOf } from "../../src/transport/large-fields.ts";
import { ChunkSchema, DownloadRequestSchema } from "./gen/drvthru/transport/test/v1/test_pb.js";

const LARGE = 16 * 1024;
const MOST = 4 * 1024 * 1024;

function data(length: number) {
  return { part: { case: "data" as const, value: new Uint8Array(randomBytes(length)) } };
}
const begin = { part: { case: "begin" as const, value: { path: "/nix/store/x", offset: 7n } } };
const end = { part: { case: "end" as const, value: {} } };

/** Which of these values stand behind a message, after it was checked that all is on the wire as Protobuf has it. */
function behind(init: MessageInitShape<typeof CacheFetchResponseSchema>, values: readonly Uint8Array[]): Uint8Array[] {
  const message = create(CacheFetchResponseSchema, init);
  const split = splitterOf(CacheFetchResponseSchema)?.(message);
  assert.ok(split);
  const bytes = Buffer.concat([toBinary(CacheFetchResponseSchema, split.rest as typeof message), ...split.behind]);
  assert.ok(bytes.equals(toBinary(CacheFetchResponseSchema, message)));
  return split.behind.filter(bytes => values.includes(bytes));
}

test("large fields in a list stand behind a message in their order, uncopied, with all that comes after them", () => {
  const [small, one, other] = [data(LARGE - 1), data(LARGE), data(300_000)];
  assert.deepEqual(behind({ parts: [] }, []), []);
  assert.deepEqual(behind({ parts: [begin, small, end] }, [small.part.value]), []);
  for (const parts of [[one], [begin, one], [begin, small, one, small, end, begin, other, end], [one, other]]) {
    const values = parts.flatMap(({ part }) =>
      part.case === "data" && part.value.length >= LARGE ? [part.value] : [],
    );
    assert.deepEqual(behind({ parts }, values), values);
  }
});

test("a message that is too large for the wire stays whole, so that Connect refuses it", () => {
  const split = splitterOf(ChunkSchema);
  // The field's tag and length take 5 bytes.
  assert.equal(split?.({ data: new Uint8Array(MOST - 5) }).behind.length, 2);
  assert.equal(split?.({ data: new Uint8Array(MOST - 4) }).behind.length, 0);
});

test("messages without bytes are not looked at", () => {
  assert.equal(splitterOf(DownloadRequestSchema), undefined);
});
