import assert from "node:assert/strict";
import { test } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { RequestHeadSchema, ResponseHeadSchema } from "../../gen/drvthru/transport/v1/frames_pb.js";
import { FrameError, frameHeaderBytes } from "../../src/transport/frames.ts";
import {
  decodeControl,
  decodeEnd,
  decodeRequestHead,
  decodeResponseHead,
  encodeControl,
  encodeEnd,
  encodeRequestHead,
  encodeResponseHead,
  headLimits,
} from "../../src/transport/messages.ts";

const payloadOf = (frame: Uint8Array) => frame.subarray(frameHeaderBytes);

function request(change: { path?: string; method?: string; headers?: { name: string; value: string }[] }): Uint8Array {
  const message = create(RequestHeadSchema, { callId: 1n, path: "/a/B", method: "POST", ...change });
  return toBinary(RequestHeadSchema, message);
}

function headers(count: number, name = "x", value = "v") {
  return Array.from({ length: count }, () => ({ name, value }));
}

test("heads, ends and controls come back as they were sent", () => {
  const header = new Headers({ "x-one": "1", "x-two": "2" });
  const head = { callId: 7n, path: "/a.B/C?x=1", method: "GET", header } as const;
  const got = decodeRequestHead(payloadOf(encodeRequestHead(head)));
  assert.deepEqual([...got.header], [...header]);
  assert.deepEqual([got.callId, got.path, got.method], [7n, "/a.B/C?x=1", "GET"]);
  const answer = decodeResponseHead(payloadOf(encodeResponseHead({ status: 404, header })));
  assert.deepEqual([answer.status, ...answer.header], [404, ...header]);
  assert.deepEqual([...decodeEnd(payloadOf(encodeEnd(header)))], [...header]);
  const said = decodeControl(payloadOf(encodeControl({ case: "cancel", value: { callId: 3n, code: 1 } })));
  assert.ok(said.case === "cancel" && said.value.callId === 3n && said.value.code === 1);
});

const limits: [string, Uint8Array, Uint8Array][] = [
  ["headers", request({ headers: headers(headLimits.headers) }), request({ headers: headers(headLimits.headers + 1) })],
  [
    "bytes of a header's name",
    request({ headers: headers(1, "n".repeat(headLimits.nameBytes)) }),
    request({ headers: headers(1, "n".repeat(headLimits.nameBytes + 1)) }),
  ],
  [
    "bytes of a header's value",
    request({ headers: headers(1, "n", "v".repeat(headLimits.valueBytes)) }),
    request({ headers: headers(1, "n", "v".repeat(headLimits.valueBytes + 1)) }),
  ],
  [
    "bytes of a path",
    request({ path: `/${"p".repeat(headLimits.pathBytes - 1)}` }),
    request({ path: `/${"p".repeat(headLimits.pathBytes)}` }),
  ],
];
for (const [what, at, past] of limits) {
  test(`a request with the most ${what} passes, with one more it is refused`, () => {
    decodeRequestHead(at);
    assert.throws(() => decodeRequestHead(past), FrameError);
  });
}

test("a head that a peer made wrong is refused", () => {
  const wrong = [
    Uint8Array.of(255, 255, 255),
    request({ path: "a/B" }),
    request({ path: "" }),
    request({ method: "" }),
    request({ method: "get" }),
    request({ method: "A".repeat(17) }),
    request({ headers: [{ name: "bad name", value: "" }] }),
    request({ headers: [{ name: "", value: "" }] }),
    request({ headers: [{ name: "x", value: "a\r\nb" }] }),
    request({ headers: [{ name: "x", value: "\u{1f600}" }] }),
  ];
  for (const payload of wrong) assert.throws(() => decodeRequestHead(payload), FrameError);
  for (const status of [0, 99, 1000]) {
    const payload = toBinary(ResponseHeadSchema, create(ResponseHeadSchema, { status }));
    assert.throws(() => decodeResponseHead(payload), FrameError);
  }
});

test("a head that we make too large is refused here", () => {
  const header = new Headers({ "x-large": "v".repeat(headLimits.valueBytes + 1) });
  assert.throws(() => encodeRequestHead({ callId: 1n, path: "/a", method: "POST", header }), FrameError);
  assert.throws(() => encodeResponseHead({ status: 200, header }), FrameError);
  const many = new Headers(Array.from({ length: 5 }, (_, at): [string, string] => [`x-${at}`, "v".repeat(15_000)]));
  assert.throws(() => encodeEnd(many), FrameError, "each within its bound, together over that of the frame");
});
