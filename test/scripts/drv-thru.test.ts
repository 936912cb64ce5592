import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";

const script = join(import.meta.dirname, "../../scripts/drv-thru");

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "drv-thru-script-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

/** A checkout in which nothing is set up, on a machine whose `node` is this shell script. */
function bareCheckout(t: TestContext, node?: string) {
  const root = folder(t);
  for (const name of ["scripts", "bin", "src"]) mkdirSync(join(root, name));
  copyFileSync(script, join(root, "scripts/drv-thru"));
  for (const tool of ["readlink", "dirname", "printf"]) symlinkSync(`/usr/bin/${tool}`, join(root, "bin", tool));
  if (node) writeFileSync(join(root, "bin/node"), `#!/bin/sh\n${node}\n`, { mode: 0o755 });
  return spawnSync("/bin/sh", [join(root, "scripts/drv-thru"), "a b", "--version"], {
    env: { PATH: join(root, "bin") },
    encoding: "utf8",
  });
}

test("a link to scripts/drv-thru runs the command from any folder", t => {
  const away = folder(t);
  symlinkSync(script, join(away, "dt"));
  symlinkSync("dt", join(away, "again"));
  const { status, stdout, stderr } = spawnSync("./again", ["--version"], {
    cwd: away,
    encoding: "utf8",
    env: { PATH: "/usr/bin:/bin" },
  });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: "" });
  assert.match(stdout, /^drv-thru \d/);
});

test("in a folder that somebody has removed the command says so", t => {
  const away = folder(t);
  const command = `mkdir gone && cd gone && rmdir ../gone && exec ${script} --version`;
  const { status, stdout, stderr } = spawnSync("/bin/sh", ["-c", command], { cwd: away, encoding: "utf8" });
  assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
  assert.match(stderr, /^error: the folder you are in is gone\n\ncd to another one\n$/m);
  assert.doesNotMatch(stderr, / at /);
});

test("where nothing is set up a fitting node in PATH runs it, with the arguments as they were", t => {
  const { status, stdout } = bareCheckout(t, 'case $1 in -e) exit 0;; esac; printf "%s|" "$@"');
  assert.equal(status, 0);
  assert.match(stdout, /\/src\/bin\.ts\|a b\|--version\|$/);
});

test("where node is too old it says which it needs, which it found, and what to do", t => {
  const { status, stdout, stderr } = bareCheckout(t, "case $1 in -e) exit 1;; --version) echo v20.19.2;; esac");
  assert.deepEqual({ status, stdout }, { status: 1, stdout: "" });
  assert.match(
    stderr,
    /^error: drv-thru needs Node 24 or newer, this is v20\.19\.2\n\n {2}npm --prefix ".*" run setup\n$/,
  );
});

test("where there is no node at all it says so", t => {
  const { status, stderr } = bareCheckout(t);
  assert.equal(status, 1);
  assert.match(stderr, /^error: drv-thru needs Node 24 or newer, this is no Node at all\n/);
});
