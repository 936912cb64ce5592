import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createZstdCompress, createZstdDecompress } from "node:zlib";
import { createChannel } from "../../src/client/run/channel.ts";
import { checkLink, resultLinks } from "../../src/client/run/link.ts";
import { infoBatches } from "../../src/client/transfer/path-info.ts";
import { planPut } from "../../src/client/transfer/put-plan.ts";
import { guardStall } from "../../src/client/transfer/stall.ts";
import { Lookahead, packed, through } from "../../src/lib/bytes.ts";
import { cleanLine, cleanText } from "../../src/lib/terminal.ts";
import { sourcePath, textPath, unprovenPath } from "../fakes/make-path.ts";

test("result links are named as nix build names them", () => {
  const one = (name: string) => ({
    drvPath: "",
    outputs: { out: `/nix/store/${name}`, dev: `/nix/store/${name}-dev` },
  });
  assert.deepEqual(
    resultLinks([one("a"), one("b")], "result", "/w").map(item => item.link),
    ["/w/result", "/w/result-dev", "/w/result-1", "/w/result-1-dev"],
  );
  assert.deepEqual(resultLinks([one("a")], "/x/y", "/w")[0]?.link, "/x/y");
});

test("a result link that cannot be made is refused before the build", async () => {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-link-"));
  const at = (name: string) => ({ link: join(folder, name), path: "/nix/store/x" });
  try {
    await mkdir(join(folder, "folder"));
    await writeFile(join(folder, "file"), "");
    await symlink("/nix/store/y", join(folder, "old"));
    await symlink("/etc", join(folder, "foreign"));
    await checkLink(at("new"));
    await checkLink(at("old"));
    for (const taken of ["folder", "file", "foreign"])
      await assert.rejects(checkLink(at(taken)), /something else is there/);
    await assert.rejects(checkLink(at("none/new")), /none\/new: there is no such file or folder/);
    await assert.rejects(checkLink(at("file/new")), /file\/new: (a part of the path is not a folder|no permission)/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("no escape sequence, control or hidden direction mark of a peer reaches a terminal", () => {
  assert.equal(cleanText("\u001b[31mred\u001b[0m \u001b]0;title\u0007x\u001b]8;;http://e\u001b\\y", 100), "red xy");
  assert.equal(cleanText("a\u009b2Jb\u0000c\u0007d\u001bMe", 100), "abcde");
  assert.equal(cleanText("a\u202eb\u2066c\u200bd\u2028e", 100), "abcde");
  assert.equal(cleanText("tab\there\r\nline", 100), "tab\there\nline");
  assert.equal(cleanLine("two\nlines", 100), "two lines");
  assert.equal(cleanText("\u001b]0;never ends", 100), "");
  assert.equal(cleanText("x".repeat(101), 100), `${"x".repeat(100)}…`);
  assert.equal(cleanText("x".repeat(100), 100), "x".repeat(100));
});

test("a reader who is too slow misses log lines and is told how many, never the end", async () => {
  const channel = createChannel<string>({ limit: 3, droppable: item => item === "log", gap: count => `${count} lost` });
  for (const item of ["a", "log", "log", "log", "log", "b"]) channel.push(item);
  channel.push("log");
  channel.end();
  channel.push("late");
  assert.deepEqual(await Array.fromAsync(channel), ["a", "log", "log", "2 lost", "b", "1 lost"]);
});

test("large sources go side by side, and everything that refers to something follows in one stream, in order", () => {
  const big = (name: string, size: number) => {
    const path = sourcePath(name, name);
    return { ...path.info, narSize: size };
  };
  const sources = [big("a", 20 << 20), big("b", 10 << 20), big("c", 9 << 20), big("d", 100)];
  const drv = textPath(
    "x.drv",
    "x",
    sources.map(info => info.path),
  ).info;
  const plan = planPut([...sources, drv], 2);
  assert.deepEqual(
    plan.parallel.map(lane => lane.map(info => info.narSize >> 20)),
    [[20], [10, 9]],
  );
  assert.deepEqual(plan.last, [sources[3], drv]);
  assert.deepEqual(planPut([...sources, drv], 1), { parallel: [], last: [...sources, drv] });
});

test("infos are sent at most 1,024 a message, and fewer when they are long", () => {
  const { info } = unprovenPath("x", "x");
  const sizes = (count: number, references: number) => {
    const many = { ...info, references: Array.from({ length: references }, () => info.path) };
    return [...infoBatches(Array.from({ length: count }, () => many))].map(batch => batch.length);
  };
  assert.deepEqual(sizes(1024, 0), [1024]);
  assert.deepEqual(sizes(1025, 0), [1024, 1]);
  assert.deepEqual(sizes(3, 16_384), [1, 1, 1]);
});

async function* bytes(...chunks: readonly string[]) {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

test("small chunks are packed and large ones cut", async () => {
  const text = async (least: number, most: number, ...chunks: string[]) =>
    (await Array.fromAsync(packed(bytes(...chunks), least, most))).map(chunk => chunk.toString());
  assert.deepEqual(
    (await Array.fromAsync(packed(bytes("a", "b", "c", "defghij", "k"), 3, 4))).map(c => Buffer.from(c).toString()),
    ["abc", "defg", "hij", "k"],
  );
  assert.deepEqual(await text(3, 4), []);
});

test("what was looked at comes again, to the byte that is asked for", async () => {
  const text = async (taken: AsyncIterable<Uint8Array>) => Buffer.concat(await Array.fromAsync(taken)).toString();
  const input = new Lookahead(bytes("ab", "cd", "ef"));
  assert.equal(Buffer.from(await input.peek(3)).toString(), "abc");
  assert.equal(await text(input.take(1)), "a");
  assert.equal(Buffer.from(await input.peek(3)).toString(), "bcd");
  assert.equal(await text(input.take(4)), "bcde");
  assert.equal(Buffer.from(await input.peek(3)).toString(), "f");
  assert.equal(await text(input.take(3)), "f");
  assert.equal((await input.peek(3)).length, 0);
});

test("a failing source fails the bytes behind a compressor, and so do bytes that are not compressed", async () => {
  async function* broken() {
    yield Buffer.from("x");
    throw new RangeError("broken");
  }
  await assert.rejects(Array.fromAsync(through(broken(), createZstdCompress())), RangeError);
  await assert.rejects(Array.fromAsync(through(bytes("no zstd"), createZstdDecompress())), /Unknown frame descriptor/);
});

test("a transfer in which nothing moves ends", async () => {
  using guard = guardStall("trying", new AbortController().signal, 5);
  await new Promise(resolve => guard.signal.addEventListener("abort", resolve));
  assert.equal(guard.signal.reason.reason, "connection-lost");
});
