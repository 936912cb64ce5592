import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, createZstdCompress, zstdCompressSync } from "node:zlib";
import { Codec } from "../../gen/drvthru/v1/common_pb.js";
import type { PathInfo } from "../../src/nix/path-info.ts";
import { generateSecretKey, signPath } from "../../src/nix/signing-key.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import {
  derivation,
  fileNar,
  type MadeDerivation,
  type MadePath,
  made,
  sourcePath,
  textPath,
  unprovenPath,
} from "../fakes/make-path.ts";
import { addressed } from "./addressed.ts";
import {
  begin,
  closure,
  fetched,
  missing,
  open,
  put,
  putData,
  putPaths,
  putStart,
  refused,
  until,
  upload,
} from "./calls.ts";
import { world } from "./world.ts";

/** A path with other words in its info. */
function forged(path: MadePath, change: Partial<PathInfo>): MadePath {
  return { ...path, info: { ...path.info, ...change } };
}

test("a guest names another guest's source by its true name and content address, but cannot send it: refused at Start", async t => {
  const builder = await world(t, { limits: { stallTime: 50 } });
  const secret = sourcePath("secret", "the other guest's words");
  await upload(await builder.anyone(), [derivation({ name: "theirs", sources: [secret.info.path] })], [secret]);

  const thief = await builder.anyone();
  const drv = derivation({ name: "thief", sources: [secret.info.path] });
  const buildId = await open(thief, [drv]);
  const guess = forged(secret, { narSize: secret.info.narSize + 8 });
  assert.deepEqual(await missing(thief, buildId, [guess, drv]), [secret.info.path, drv.info.path]);
  assert.equal(await refused(put(thief, buildId, [drv])), "PATH_NOT_NAMED");
  assert.equal(await refused(thief.build.start({ buildId })), "PATH_NOT_NAMED");
  assert.ok(!builder.nix.asked.includes("build"));
});

test("a guest sends a derivation that refers to a path it has not named", async t => {
  const builder = await world(t);
  const secret = sourcePath("secret", "not yours");
  builder.nix.seed(secret);
  const guest = await builder.anyone();
  const drv = derivation({ name: "reader", sources: [secret.info.path] });
  const buildId = await open(guest, [drv]);
  assert.equal(await refused(missing(guest, buildId, [drv])), "PATH_NOT_NAMED");
  assert.equal(await refused(put(guest, buildId, [drv])), "PATH_NOT_NAMED");
});

test("a guest sends a derivation whose text names an input that its references hide", async t => {
  const builder = await world(t);
  const secret = sourcePath("secret", "not yours");
  builder.nix.seed(secret);
  const guest = await builder.anyone();
  const honest = derivation({ name: "reader", sources: [secret.info.path] });
  const hiding = textPath("reader.drv", contentOf(honest));
  const drv: MadeDerivation = { ...honest, ...hiding };
  const buildId = await open(guest, [drv]);
  assert.deepEqual(await missing(guest, buildId, [hiding]), [hiding.info.path]);
  assert.equal(await refused(put(guest, buildId, [hiding])), "PATH_NOT_NAMED");
  assert.ok(!builder.nix.valid.has(hiding.info.path));
});

function contentOf(path: MadePath): string {
  const length = Number(Buffer.from(path.nar).readBigUInt64LE(88));
  return Buffer.from(path.nar.subarray(96, 96 + length)).toString();
}

test("a guest calls a path of somebody else an output of its derivation", async t => {
  const builder = await world(t);
  const secret = sourcePath("secret", "not yours");
  builder.nix.seed(secret);
  const guest = await builder.anyone();
  const drv = derivation({ name: "honest" });
  const buildId = await upload(guest, [drv], [], { outputs: { out: secret.info.path } });
  assert.equal(await refused(guest.build.start({ buildId })), "MALFORMED");
  assert.equal(await refused(closure(guest, buildId, secret.info.path)), "NOT_PERMITTED");
});

test("a guest fetches a path outside its outputs' closures", async t => {
  const builder = await world(t);
  const secret = sourcePath("secret", "not yours");
  builder.nix.seed(secret);
  const guest = await builder.anyone();
  const drv = derivation({ name: "honest" });
  const buildId = await begin(guest, [drv]);
  await until(guest, buildId, "result");
  assert.equal(await refused(fetched(guest, buildId, [secret.info.path])), "NOT_PERMITTED");
  assert.equal(await refused(fetched(guest, buildId, [drv.info.path])), "NOT_PERMITTED");
});

const source = sourcePath("source", "words");
const ATTACKS: readonly (readonly [name: string, path: MadePath, reason: string])[] = [
  ["an unsigned path", unprovenPath("unsigned", "words"), "PATH_UNPROVEN"],
  ["a path signed by a key that Nix does not trust", signed(unprovenPath("foreign", "words")), "PATH_UNPROVEN"],
  ["a path with another's content address", forged(sourcePath("other", "x"), caOf(source)), "PATH_UNPROVEN"],
  ["a path addressed by SHA-1", addressed("sha1", "words"), "PATH_UNPROVEN"],
  ["a path addressed by MD5", addressed("md5", "words"), "PATH_UNPROVEN"],
  ["a path addressed as a git tree", forged(source, { ca: `fixed:git:sha256:${"0".repeat(52)}` }), "PATH_UNPROVEN"],
  ["a path addressed in a way nobody knows", forged(source, { ca: "blake:xyz" }), "PATH_UNPROVEN"],
  ["a path that refers to itself", forged(source, { references: [source.info.path] }), "PATH_UNPROVEN"],
  [
    "a source whose NAR hash is not that of its address",
    forged(source, { narHash: unprovenPath("a", "b").info.narHash }),
    "PATH_UNPROVEN",
  ],
  ["a derivation that is not a text", sourcePath("fake.drv", "Derive()"), "PATH_UNPROVEN"],
];

function caOf(path: MadePath): Partial<PathInfo> {
  return path.info.ca === undefined ? {} : { ca: path.info.ca };
}

function signed(path: MadePath): MadePath {
  return forged(path, { signatures: [signPath(path.info, generateSecretKey("cache.nixos.org-1"))] });
}

for (const [name, path, reason] of ATTACKS) {
  test(`a guest sends ${name}: refused before a byte of it`, async t => {
    const builder = await world(t);
    const guest = await builder.anyone();
    const buildId = await open(guest, [derivation({ name: "attack" })]);
    assert.equal(await refused(missing(guest, buildId, [path])), reason);
    assert.equal(await refused(put(guest, buildId, [path])), reason);
    assert.ok(!builder.nix.asked.includes("add"));
  });
}

test("a path signed by a key that the builder's Nix trusts is taken, a forged one is not", async t => {
  const key = generateSecretKey("trusted-1");
  const builder = await world(t, { nix: { trustedKeys: [key.public] } });
  const guest = await builder.anyone();
  const plain = unprovenPath("signed", "words");
  const good = forged(plain, { signatures: [signPath(plain.info, key)] });
  const bad = forged(unprovenPath("forged", "words"), { signatures: good.info.signatures });
  const buildId = await open(guest, [derivation({ name: "signed" })]);
  assert.deepEqual(await put(guest, buildId, [good]), [plain.info.path]);
  assert.equal(await refused(missing(guest, buildId, [bad])), "PATH_UNPROVEN");
});

const WRONG_BYTES: readonly (readonly [name: string, honest: MadePath, nar: Uint8Array])[] = [
  ["other bytes of the same length", source, fileNar("sword")],
  ["a text of another content", textPath("note", "words"), fileNar("sword")],
  ["a text as an executable", textPath("note", "words"), Buffer.from(fileNar("words")).fill(0, 60, 70)],
];
for (const [name, honest, nar] of WRONG_BYTES) {
  test(`a guest sends ${name}: nothing is registered`, async t => {
    const builder = await world(t);
    const guest = await builder.anyone();
    const buildId = await open(guest, [derivation({ name: "attack" })]);
    assert.equal(await refused(put(guest, buildId, [{ ...honest, nar }])), "PATH_CORRUPT");
    assert.ok(!builder.nix.valid.has(honest.info.path));
  });
}

test("a guest names a text with a NAR hash of its own choosing: the content must still be the text's", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const lie = made(
    textPath("note", "words").info.path as StorePath,
    fileNar("lies!"),
    [],
    textPath("note", "words").info.ca,
  );
  const buildId = await open(guest, [derivation({ name: "attack" })]);
  assert.equal(await refused(put(guest, buildId, [lie])), "PATH_CORRUPT");
  assert.ok(!builder.nix.valid.has(lie.info.path));
});

test("a zstd bomb is cut at the announced size", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const buildId = await open(guest, [derivation({ name: "bomb" })]);
  const bomb = zstdCompressSync(Buffer.alloc(256 * 1024 * 1024));
  const small = sourcePath("small", "x".repeat(1000));
  async function* requests() {
    yield putStart(buildId, Codec.ZSTD);
    yield putPaths([small]);
    for (let at = 0; at < bomb.length; at += 100_000) yield putData(bomb.subarray(at, at + 100_000));
  }
  const sent = (async () => {
    for await (const _ of guest.upload.put(requests()));
  })();
  assert.match(await refused(sent), /PATH_CORRUPT|MALFORMED/);
  const { build } = await guest.build.get({ buildId });
  assert.ok(Number(build?.uploadedBytes) <= small.info.narSize);
});

test("a zstd window of 8 MiB is taken, a larger one is refused", async t => {
  const builder = await world(t);
  const content = sourcePath("windowed", randomBytes(100_000));
  for (const [windowLog, answer] of [
    [24, "MALFORMED"],
    [23, "taken"],
  ] as const) {
    const guest = await builder.anyone();
    const buildId = await open(guest, [derivation({ name: "window" })]);
    // Without a known size the frame says the window in its head.
    const compressor = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } });
    const bytes = readAll(compressor);
    compressor.end(content.nar);
    async function* requests() {
      yield putStart(buildId, Codec.ZSTD);
      yield putPaths([content]);
      for (const piece of await bytes) yield putData(piece);
    }
    const sent = (async () => {
      for await (const _ of guest.upload.put(requests()));
    })();
    assert.equal(await refused(sent), answer);
  }
});

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  return await Array.fromAsync(stream);
}

test("bytes that nobody announced are refused", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const buildId = await open(guest, [derivation({ name: "more" })]);
  const longer = { ...source, nar: Buffer.concat([source.nar, Buffer.alloc(8)]) };
  assert.equal(await refused(put(guest, buildId, [longer])), "MALFORMED");
});

test("an upload of exactly the limit is taken, one byte more is refused before it is sent", async t => {
  const builder = await world(t);
  const path = sourcePath("large", "x".repeat(10_000));
  const drv = derivation({ name: "d" });
  const exact = path.info.narSize + drv.info.narSize;
  const within = await builder.anyone({ maxUploadBytes: exact });
  await upload(within, [drv], [path]);

  const other = await world(t);
  const past = await other.anyone({ maxUploadBytes: exact - 1 });
  const buildId = await open(past, [drv]);
  assert.equal(await refused(missing(past, buildId, [path, drv])), "UPLOAD_LIMIT");
  assert.equal(await refused(put(past, buildId, [path, drv])), "UPLOAD_LIMIT");
  assert.ok(!other.nix.asked.includes("add"));
});

test("a guest uploads, cancels and uploads again: the bytes of a use that was given back stay counted", async t => {
  const builder = await world(t);
  const large = (name: string) => sourcePath(name, "x".repeat(10_000));
  const guest = builder.guest(await builder.ticket({ uses: 1, maxUploadBytes: large("a").info.narSize }));
  const first = await open(guest, [derivation({ name: "first" })]);
  await put(guest, first, [large("a")]);
  await guest.build.cancel({ buildId: first });
  const second = await open(guest, [derivation({ name: "second" })]);
  assert.deepEqual(await missing(guest, second, [large("a")]), []);
  assert.equal(await refused(put(guest, second, [large("b")])), "UPLOAD_LIMIT");
});
