import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { run } from "../../src/cli/main.ts";
import { testIo } from "./io.ts";

const id = "ab".repeat(32);
const key = `drv-thru:${Buffer.alloc(32, 5).toString("base64")}`;

/** A user with a home, who types. */
function user(t: TestContext) {
  const home = mkdtempSync(join(tmpdir(), "drv-thru-user-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const file = join(home, "builders.json");
  const type = async (...argv: string[]) => {
    const world = testIo({ env: { HOME: home, DRV_THRU_BUILDERS_CONFIG: file }, cwd: home });
    const code = await run(argv, world.io);
    return { code, stdout: world.stdout(), stderr: world.stderr() };
  };
  return { home, file, type };
}

test("a builder is named, listed, shown and removed", async t => {
  const { file, type } = user(t);
  const where = ["--address", "192.0.2.7:4433", "--relay-url", "https://relay.example.org"];
  const added = await type("builder", "add", "lev", "--endpoint-id", id, ...where, "--public-key", key);
  assert.deepEqual([added.code, added.stdout], [0, ""]);
  assert.match(added.stderr, /drv-thru build INSTALLABLE --builder lev\n$/);
  const listed = await type("builder", "list");
  assert.match(
    listed.stdout,
    /^NAME +ENDPOINT ID +WHERE +FROM\nlev +abababababab +192\.0\.2\.7:4433 https:\S+ +\/.*\n$/,
  );
  const shown = await type("builder", "show", "lev");
  assert.match(
    shown.stdout,
    new RegExp(`^name +lev\nendpoint id +${id}\nrelay +https.*\naddresses +192.*\nsigning key +drv-thru:`),
  );
  const removed = await type("builder", "remove", "lev");
  assert.deepEqual([removed.code, removed.stderr], [0, `removed "lev" from ${file}\n`]);
  assert.match(
    (await type("builder", "list")).stderr,
    /^no builders in .*\n\ndrv-thru builder add NAME --endpoint-id ID\n$/,
  );
});

test("builders are listed and shown as JSON, sorted by name, with the id that a file holds now", async t => {
  const { home, file, type } = user(t);
  await type("builder", "add", "zoe", "--endpoint-id-file", "zoe.id");
  await type("builder", "add", "abe", "--endpoint-id", id.toUpperCase());
  const lines = (await type("builder", "list", "--json")).stdout
    .trim()
    .split("\n")
    .map(line => JSON.parse(line));
  assert.deepEqual(
    lines.map(({ name, endpointId, endpointIdFile }) => [name, endpointId, endpointIdFile]),
    [
      ["abe", id, undefined],
      ["zoe", undefined, join(home, "zoe.id")],
    ],
  );
  const early = await type("builder", "show", "zoe", "--json");
  assert.equal(early.code, 2);
  assert.match(early.stderr, /zoe\.id: there is no such file/);
  writeFileSync(join(home, "zoe.id"), `${id}\n`);
  const shown = JSON.parse((await type("builder", "show", "zoe", "--json")).stdout);
  assert.deepEqual([shown.name, shown.endpointId, shown.file], ["zoe", id, file]);
});

const wrong: readonly [flags: string[], error: RegExp][] = [
  [[], /error: the builder needs one of --endpoint-id and --endpoint-id-file\n/],
  [
    ["--endpoint-id", id, "--endpoint-id-file", "f"],
    /error: the builder has both --endpoint-id and --endpoint-id-file\n/,
  ],
  [["--endpoint-id", "xyz"], /error: --endpoint-id: "xyz" is not an endpoint id/],
  [["--endpoint-id", "drvthruxyz"], /error: --endpoint-id: a ticket is not an endpoint id/],
  [["--endpoint-id", id, "--relay-url", "relay"], /error: --relay-url: "relay" is not the URL of a relay/],
  [["--endpoint-id", id, "--address", "host:1"], /error: --address: "host:1" is not IP:PORT/],
  [["--endpoint-id", id, "--public-key", "k"], /error: --public-key: "k" is not a Nix public signing key/],
];
for (const [flags, error] of wrong) {
  test(`builder add ${flags.map(flag => flag.slice(0, 20)).join(" ") || "without flags"} is wrong usage and writes nothing`, async t => {
    const { file, type } = user(t);
    const typed = await type("builder", "add", "lev", ...flags);
    assert.deepEqual([typed.code, typed.stdout], [2, ""]);
    assert.match(typed.stderr, error);
    assert.throws(() => readFileSync(file), { code: "ENOENT" });
  });
}

test("--builder with a name that nobody knows is wrong usage, before Nix is asked anything", async t => {
  const { file, type } = user(t);
  await type("builder", "add", "lev", "--endpoint-id", id);
  // The library reads the process's own environment.
  process.env["DRV_THRU_BUILDERS_CONFIG"] = file;
  t.after(() => delete process.env["DRV_THRU_BUILDERS_CONFIG"]);
  for (const command of [["build", "x"], ["status"]]) {
    const typed = await type(...command, "--builder", "leviathan");
    assert.equal(typed.code, 2);
    assert.match(typed.stderr, /error: no builder "leviathan" is known; known are lev\n/);
  }
});
