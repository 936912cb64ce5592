import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { useStage } from "./stage.ts";

const { skip, current } = useStage({ builder: { nixConf: { "max-jobs": "4" } } });

test("three hundred derivations are built at once", { skip }, async () => {
  const stage = current();
  const parts = `builtins.genList (n: step "part-\${toString n}" "echo \${toString n} > $out" { }) 300`;
  const [path = ""] = await stage.built(
    await stage.ticket(),
    `step "whole" "cat $parts | wc -l > $out" { parts = ${parts}; }`,
  );
  assert.equal(readFileSync(stage.client.outside(path), "utf8").trim(), "300");
});

test("every output of a derivation comes, or only those asked for", { skip }, async () => {
  const stage = current();
  const expression =
    'step "several" "for o in $outputs; do eval echo $o \\\\> \\\\$$o; done" { outputs = [ "out" "dev" "doc" ]; }';
  const paths = await stage.built(await stage.ticket(), `{ it = ${expression}; }`, ["it^dev,doc"]);
  assert.deepEqual(paths.map(path => path.slice(44)).sort(), ["several-dev", "several-doc"]);
  assert.equal(
    readFileSync(stage.client.outside(paths[0] ?? ""), "utf8").trim(),
    paths[0]?.endsWith("dev") ? "dev" : "doc",
  );
});

const sha256OfHello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
const fixed = (hash: string) =>
  `step "fixed" "printf hello > $out" { outputHashMode = "flat"; outputHashAlgo = "sha256"; outputHash = "${hash}"; }`;

test("a fixed output comes back", { skip }, async () => {
  const stage = current();
  const [path = ""] = await stage.built(await stage.ticket(), fixed(sha256OfHello));
  assert.equal(readFileSync(stage.client.outside(path), "utf8"), "hello");
});

test("a fixed output with another hash than it says is exit code 102, and the hash that it has is shown", {
  skip,
}, async () => {
  const stage = current();
  const { status, stderr } = await stage.build(await stage.ticket(), fixed("0".repeat(64)));
  assert.equal(status, 102, stderr);
  assert.match(stderr, /sha256-LPJNul\+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=/);
});

test("what an evaluation imports from a derivation is built here, what it leads to on the builder", {
  skip,
}, async () => {
  const stage = current();
  const expression = `let made = step "made" "echo '\\"from a build\\"' > $out" { }; in step "user" "echo \${import made} > $out" { }`;
  const [path = ""] = await stage.built(await stage.ticket(), expression);
  assert.equal(readFileSync(stage.client.outside(path), "utf8"), "from a build\n");
  const there = readdirSync(stage.builder.outside("/nix/store"));
  const has = (name: string) => there.some(entry => entry.slice(33) === name);
  assert.deepEqual([has("made"), has("user")], [false, true], "what the builder has");
});

test("a source goes there and comes back as it is: executables, links, empty folders and odd names", {
  skip,
}, async () => {
  const stage = current();
  const tree = stage.client.outside(`/home/${stage.client.user}/tree`);
  mkdirSync(join(tree, "empty"), { recursive: true });
  for (const name of ["a file", "ümläut", "new\nline", "-dash", "'quotes\"", "$HOME", "日本"])
    writeFileSync(join(tree, name), name);
  writeFileSync(join(tree, "run.sh"), "#!/bin/sh\n");
  chmodSync(join(tree, "run.sh"), 0o755);
  symlinkSync("run.sh", join(tree, "link"));
  symlinkSync("/nowhere/at all", join(tree, "dangling"));
  writeFileSync(join(tree, "zeroes"), Buffer.alloc(64 << 20));
  const [path = ""] = await stage.built(await stage.ticket(), 'step "copy" "cp -R $tree $out" { tree = ./tree; }');
  const hash = async (what: string) => (await stage.client.run(["nix", "hash", "path", what])).stdout;
  assert.equal(await hash(path), await hash("./tree"));
});
