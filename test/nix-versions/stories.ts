import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import type { Stage } from "../e2e/stage.ts";

/** What is tried between two Nix versions: each by a name, on a stage whose client trusts the builder. */
export const stories: Readonly<Record<string, (stage: Stage) => Promise<void>>> = {
  async "several derivations, a source and two outputs"(stage) {
    writeFileSync(stage.client.outside(`/home/${stage.client.user}/words.txt`), "words of a source\n");
    const dependency = 'step "dependency" "cat $it > $out" { it = ./words.txt; }';
    const both = `step "both" "cat \${it} > $out; echo \${it} > $dev" { outputs = [ "out" "dev" ]; }`;
    const ticket = await stage.ticket();
    const paths = await stage.built(ticket, `let it = ${dependency}; both = ${both}; in [ both.out both.dev ]`);
    const [out = "", dev = ""] = paths.sort((one, other) => one.length - other.length);
    assert.equal(readFileSync(stage.client.outside(out), "utf8"), "words of a source\n");
    assert.match(readFileSync(stage.client.outside(dev), "utf8"), /^\/nix\/store\/[0-9a-z]{32}-dependency\n$/);
    const valid = await stage.client.run(["nix-store", "--verify-path", out, dev]);
    assert.equal(valid.status, 0, valid.stderr);
    assert.equal((await stage.record(ticket)).status, "exhausted");
  },

  async "a dependency that fails is named with its last words"(stage) {
    const expression = `let bad = step "bad" "echo last words; exit 3" { }; in step "top" "cat \${bad} > $out" { }`;
    const { status, stderr } = await stage.build(await stage.ticket(), expression);
    assert.equal(status, 100, stderr);
    assert.match(stderr, /\nfailed: \S*-bad\.drv\n/);
    assert.match(stderr, /\n {2}> last words\n/);
    assert.doesNotMatch(stderr.slice(stderr.lastIndexOf("\nerror:")), /-top\.drv/);
  },

  async "a wrong hash of a fixed output is exit code 102"(stage) {
    const fixed = `outputHash = "${"0".repeat(52)}"; outputHashAlgo = "sha256"; outputHashMode = "flat";`;
    const { status, stderr } = await stage.build(await stage.ticket(), `step "fixed" "echo x > $out" { ${fixed} }`);
    assert.equal(status, 102, stderr);
  },

  async "a build that takes too long is exit code 101"(stage) {
    const { status, stderr } = await stage.build(
      await stage.ticket("--max-build-time", "2s"),
      'step "endless" "sleep 600" { }',
    );
    assert.equal(status, 101, stderr);
  },

  async "thirty derivations come back"(stage) {
    const many = `builtins.genList (n: step "one-of-many-\${toString n}" "echo > $out" { }) 30`;
    assert.equal((await stage.built(await stage.ticket(), many)).length, 30);
  },

  async "what is valid needs no builder"(stage) {
    const expression = 'step "kept" "echo > $out" { }';
    const [path] = await stage.built(await stage.ticket(), expression);
    const ticket = await stage.ticket();
    assert.deepEqual(await stage.built(ticket, expression), [path]);
    assert.equal((await stage.record(ticket)).status, "active");
  },
};
