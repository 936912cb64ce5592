import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { lstat, symlink, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { startHelper } from "../../src/helper/serve.ts";
import { formatNarInfo } from "../../src/nix/narinfo.ts";
import { formatPublicKey, generateSecretKey, signPath } from "../../src/nix/signing-key.ts";
import { hashPart } from "../../src/nix/store-path.ts";
import { sourcePath, unprovenPath } from "../fakes/make-path.ts";
import { until } from "../until.ts";
import { serveCache } from "./cache.ts";
import { answerOn, askAt, makeHelper, socketGroup } from "./world.ts";

const made = unprovenPath("hello", "hello, world");
const { path } = made.info;
const narinfo = `${hashPart(path)}.narinfo`;

test("the helper says at its start how many keys it takes, and their names", async t => {
  const { log } = await makeHelper(t);
  assert.deepEqual(log[0]?.fields["keys"], 1);
  assert.deepEqual(log[0]?.fields["names"], ["allowed-1"]);
});

test("members of the helper's group may ask, and nobody else", async t => {
  const { socketPath } = await makeHelper(t);
  const stat = await lstat(socketPath);
  assert.equal(stat.mode & 0o777, 0o660);
  assert.equal(stat.gid, socketGroup().gid);
});

test("whoever asks whether a key is allowed is told before anything is sent", async t => {
  const { ask, keyText, log } = await makeHelper(t);
  assert.deepEqual(await ask({ ask: "key", key: keyText }), { ok: true });
  const other = formatPublicKey(generateSecretKey("allowed-1").public);
  const refused = await ask({ ask: "key", key: other });
  assert.equal(refused?.ok === false && refused.reason, "key-not-allowed");
  const told = log
    .filter(({ message }) => message === "request")
    .map(({ fields }) => [fields["key"], fields["allowed"]]);
  assert.deepEqual(told, [
    ["allowed-1", true],
    ["allowed-1", false],
  ]);
});

test("the helper logs for each import who asked, the key's name, the number of paths and the result", async t => {
  const { ask, keyText, key, log } = await makeHelper(t);
  const { url } = await serveCache(t, [made], key);
  assert.deepEqual(await ask({ ask: "import", key: keyText, url, paths: [path] }), { ok: true });
  const { uid, gid, seconds, ...fields } = log.at(-1)?.fields ?? {};
  assert.deepEqual(fields, { ask: "import", key: "allowed-1", allowed: true, paths: 1, result: "imported" });
  assert.equal(typeof seconds, "number");
  // Where there is no `ss`, nobody is known.
  assert.ok(uid === null || (uid === process.geteuid?.() && gid === process.getegid?.()), `${uid}:${gid}`);
});

test("nix copy gets a fixed list of arguments, an environment of its own, and no descriptors", async t => {
  const { ask, nix, keyText, key } = await makeHelper(t);
  process.env["NIX_CONFIG"] = "require-sigs = false";
  process.env["NIX_REMOTE"] = "unix:///tmp/evil";
  t.after(() => {
    delete process.env["NIX_CONFIG"];
    delete process.env["NIX_REMOTE"];
  });
  const { url } = await serveCache(t, [made], key);
  assert.deepEqual(await ask({ ask: "import", key: keyText, url, paths: [path] }), { ok: true });
  const { args, env, stdin, descriptors, met } = await nix();
  assert.equal(stdin, "/dev/null");
  const from = args.indexOf("--from");
  assert.deepEqual(args.slice(from - 2, from), ["copy", "--no-recursive"]);
  assert.deepEqual(args.slice(from + 2), ["--", path]);
  const option = (name: string) => args[args.indexOf(name) + 1];
  assert.equal(option("require-sigs"), "true");
  assert.equal(option("trusted-public-keys"), keyText);
  assert.equal(option("substituters"), "");
  assert.ok(!args.includes("--no-check-sigs"));
  assert.deepEqual(
    Object.keys(env)
      .filter(name => name.startsWith("NIX"))
      .sort(),
    ["NIX_CONF_DIR", "NIX_USER_CONF_FILES"],
  );
  assert.equal(existsSync(env["HOME"] ?? ""), false, "its home is gone");
  assert.deepEqual(
    descriptors.filter(target => !/^(anon_inode|pipe|\/dev\/null)/.test(target)),
    [],
  );
  assert.deepEqual(met[`nar/${hashPart(path)}.nar`], { status: 200, text: Buffer.from(made.nar).toString() });
});

test("a path that its content proves needs no signature", async t => {
  const { ask, keyText } = await makeHelper(t);
  const source = sourcePath("source", "bytes");
  const { url } = await serveCache(t, [source], generateSecretKey("somebody"));
  assert.deepEqual(await ask({ ask: "import", key: keyText, url, paths: [source.info.path] }), { ok: true });
});

const alsoAllowed = generateSecretKey("allowed-2");

for (const [attack, sign] of [
  ["a path is not signed", undefined],
  ["a path is signed by another key of the same name", generateSecretKey("allowed-1")],
  ["a path is signed by another allowed key than the one that was named", alsoAllowed],
] as const) {
  test(`attack: ${attack}`, async t => {
    const { ask, keyText, key, nix } = await makeHelper(t, { alsoAllowed: [alsoAllowed] });
    const info = { ...made.info, signatures: sign === undefined ? [] : [signPath(made.info, sign)] };
    const text = formatNarInfo({ info, url: `nar/${hashPart(path)}.nar`, compression: "none" });
    const { url, asked } = await serveCache(t, [made], key, (request, response) => {
      if (!request.url?.endsWith(".narinfo")) return false;
      response.end(text);
      return true;
    });
    const answer = await ask({ ask: "import", key: keyText, url, paths: [path] });
    assert.ok(answer?.ok === false);
    assert.match(answer.message, /is not signed by the key allowed-1/);
    assert.deepEqual((await nix()).met[narinfo], { status: 400, text: "" }, "Nix sees nothing of it");
    assert.deepEqual(asked, [`GET /secret/${narinfo}`]);
  });
}

test("attack: the cache gives what the key has signed of another path than was asked for", async t => {
  const { ask, keyText, key, nix } = await makeHelper(t);
  const other = unprovenPath("other", "signed too");
  const info = { ...other.info, signatures: [signPath(other.info, key)] };
  const { url } = await serveCache(t, [made], key, (request, response) => {
    if (!request.url?.endsWith(".narinfo")) return false;
    response.end(formatNarInfo({ info, url: `nar/${hashPart(path)}.nar`, compression: "none" }));
    return true;
  });
  const answer = await ask({ ask: "import", key: keyText, url, paths: [path] });
  assert.ok(answer?.ok === false);
  assert.ok(answer.message.includes(`gave ${other.info.path} for ${path}`), answer.message);
  assert.deepEqual((await nix()).met[narinfo], { status: 400, text: "" }, "Nix sees nothing of it");
});

test("attack: the loopback server redirects root's Nix to another host", async t => {
  const { ask, keyText, key, nix } = await makeHelper(t);
  const other = await serveCache(t, [made], key);
  const { url } = await serveCache(t, [made], key, (request, response) => {
    response.writeHead(302, { location: `${other.url}/${request.url?.split("/").slice(2).join("/")}` }).end();
    return true;
  });
  const answer = await ask({ ask: "import", key: keyText, url, paths: [path] });
  assert.ok(answer?.ok === false);
  assert.match(answer.message, /answered 302/);
  assert.deepEqual(other.asked, []);
  assert.deepEqual((await nix()).met[narinfo], { status: 400, text: "" });
});

for (const elsewhere of ["file:///etc/shadow", "http://192.0.2.1/x.nar", "../x.nar", `nar/${"0".repeat(32)}.nar`]) {
  test(`attack: a narinfo says that the bytes are at ${elsewhere}`, async t => {
    const { ask, keyText, key, nix } = await makeHelper(t);
    const info = { ...made.info, signatures: [signPath(made.info, key)] };
    const { url } = await serveCache(t, [made], key, (request, response) => {
      if (!request.url?.endsWith(".narinfo")) return false;
      response.end(formatNarInfo({ info, url: elsewhere, compression: "none" }));
      return true;
    });
    const answer = await ask({ ask: "import", key: keyText, url, paths: [path] });
    assert.ok(answer?.ok === false);
    assert.match(answer.message, /is somewhere else than in nar\//);
    assert.deepEqual(Object.keys((await nix()).met), ["nix-cache-info", narinfo]);
  });
}

for (const [attack, bytes] of [
  ["more", Buffer.concat([made.nar, Buffer.alloc(8)])],
  ["fewer", made.nar.subarray(8)],
] as const) {
  test(`attack: the cache sends ${attack} bytes than were signed`, async t => {
    const { ask, keyText, key } = await makeHelper(t);
    const { url } = await serveCache(t, [made], key, (request, response) => {
      if (!request.url?.endsWith(".nar")) return false;
      response.end(bytes);
      return true;
    });
    const answer = await ask({ ask: "import", key: keyText, url, paths: [path] });
    assert.ok(answer?.ok === false);
    assert.match(
      answer.message,
      new RegExp(`of the ${made.info.narSize} bytes|more than the ${made.info.narSize} bytes`),
    );
  });
}

test("attack: a message one byte too large", async t => {
  const { ask, keyText } = await makeHelper(t);
  const padded = (bytes: number) => {
    const question = JSON.stringify({ ask: "key", key: keyText });
    return `${question}${" ".repeat(bytes - question.length - 1)}\n`;
  };
  assert.deepEqual(await ask(padded(1_048_576)), { ok: true });
  const answer = await ask(padded(1_048_577));
  assert.ok(answer?.ok === false);
  assert.match(answer.message, /more than 1048576 bytes/);
});

test("attack: half a message and then silence", async t => {
  const { connect } = await makeHelper(t, { askingMs: 20 });
  const socket = await connect();
  socket.write('{"ask":');
  const told = await answerOn(socket);
  assert.equal(told?.ok === false && told.message, "no whole question came in time");
});

test("attack: a client vanishes in the middle of an import", async t => {
  const { connect, keyText, folder, log } = await makeHelper(t, {
    // It ignores what it is asked, and sleeps until it is told to end.
    nix: 'here=$(dirname "$0"); echo $$ >"$here/started.tmp"; mv "$here/started.tmp" "$here/started"; exec sleep 600\n',
  });
  const socket = await connect();
  socket.write(`${JSON.stringify({ ask: "import", key: keyText, url: "http://127.0.0.1:9/x", paths: [path] })}\n`);
  const started = join(folder, "started");
  await until("Nix runs", () => existsSync(started));
  const pid = Number(readFileSync(started, "utf8"));
  assert.ok(alive(pid));
  socket.destroy();
  await until("Nix is gone", () => !alive(pid));
  await until("the request is logged", () => log.at(-1)?.message === "request");
  assert.equal(log.at(-1)?.fields["result"], "the caller went away");
});

/** A `nix` that notes that it runs, and ends well once there is a file `go`. */
const patientNix = 'here=$(dirname "$0"); : >"$here/run.$$"; until [ -e "$here/go" ]; do sleep 0.02; done\n';

test("three imports of one user run at once, so that another has a turn; a fourth waits", async t => {
  const { ask, keyText, folder } = await makeHelper(t, { nix: patientNix });
  const running = () => readdirSync(folder).filter(name => name.startsWith("run.")).length;
  const question = { ask: "import", key: keyText, url: "http://127.0.0.1:9/x", paths: [path] };
  const answers = Array.from({ length: 4 }, () => ask(question));
  await until("three imports run", () => running() === 3);
  assert.deepEqual(await ask({ ask: "key", key: keyText }), { ok: true }, "questions about keys do not wait");
  assert.equal(running(), 3);
  await writeFile(join(folder, "go"), "");
  assert.deepEqual(await Promise.all(answers), Array(4).fill({ ok: true }));
  assert.equal(running(), 4);
});

test("attack: one user asks for imports without end; as many wait as may, and one more is told that it is busy", async t => {
  const { ask, keyText, folder } = await makeHelper(t, { nix: patientNix });
  const question = { ask: "import", key: keyText, url: "http://127.0.0.1:9/x", paths: [path] };
  const answers = Array.from({ length: 3 + 16 + 1 }, () => ask(question));
  const told = await Promise.race(answers);
  assert.equal(told?.ok === false && told.reason, "busy");
  await writeFile(join(folder, "go"), "");
  assert.equal((await Promise.all(answers)).filter(answer => answer?.ok).length, 3 + 16);
});

test("attack: somebody opens all the connections that the helper takes", async t => {
  const { connect, ask, keyText } = await makeHelper(t);
  const sockets: Socket[] = [];
  for (let n = 0; n < 63; n++) sockets.push(await connect());
  assert.deepEqual(await ask({ ask: "key", key: keyText }), { ok: true });
  sockets.push(await connect());
  assert.equal(await ask({ ask: "key", key: keyText }), undefined, "one more is closed");
  for (const socket of sockets) socket.destroy();
  await until("the helper answers", async () => (await ask({ ask: "key", key: keyText })) !== undefined);
});

test("what Nix says against a path is told, cut at 16 KiB", async t => {
  const { ask, keyText } = await makeHelper(t, {
    nix: 'echo "error: no room" >&2; head -c 20000 /dev/zero | tr "\\0" x >&2; exit 1\n',
  });
  const answer = await ask({ ask: "import", key: keyText, url: "http://127.0.0.1:9/x", paths: [path] });
  assert.ok(answer?.ok === false);
  assert.match(answer.message, /^no room\nxxx/);
  assert.equal(Buffer.byteLength(answer.message), 16_384);
});

test("a full disk is told from a path that Nix refuses", async t => {
  const nix = 'echo "error: writing to file: No space left on device" >&2; exit 1\n';
  const { ask, keyText } = await makeHelper(t, { nix });
  const answer = await ask({ ask: "import", key: keyText, url: "http://127.0.0.1:9/x", paths: [path] });
  assert.equal(answer?.ok === false && answer.reason, "disk-full");
});

test("a stale socket is replaced; what somebody answers on, or is no socket, is not", async t => {
  const { socketPath, folder, keyText } = await makeHelper(t);
  await assert.rejects(start(folder, socketPath), /another program answers/);
  const file = join(folder, "file");
  await writeFile(file, keyText);
  await assert.rejects(start(folder, file), /exists and is no socket/);

  const stale = join(folder, "stale.sock");
  const script = `require("node:net").createServer().listen(${JSON.stringify(stale)})`;
  const child = spawn(process.execPath, ["-e", script], { stdio: "ignore" });
  await until("the stale socket is there", () => existsSync(stale));
  child.kill("SIGKILL");
  await once(child, "close");
  const helper = await start(folder, stale);
  t.after(() => helper.stop());
  assert.deepEqual(await askAt(stale, { ask: "key", key: keyText }), { ok: true });
});

test("attack: a symlink stands where the helper's socket shall be", async t => {
  const { folder } = await makeHelper(t);
  const target = join(folder, "target");
  await symlink(target, join(folder, "link"));
  await assert.rejects(start(folder, join(folder, "link")), /link exists and is no socket/);
  assert.ok(!existsSync(target));
});

function start(folder: string, socketPath: string) {
  const log = { info: () => undefined, warn: () => undefined };
  return startHelper({ keyFile: join(folder, "keys"), socketPath, group: socketGroup().name, env: {}, log });
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // nobody has that number
  }
}
