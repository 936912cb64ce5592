import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ownUids } from "../hosts/can.ts";
import type { NixConf } from "../hosts/files.ts";
import { type Stage, useStage } from "./stage.ts";

const { skip, current } = useStage();
const needsRoot = skip ?? (ownUids ? undefined : "needs root, so that the daemon can build in a second store");

/** Runs with other settings of the builder's Nix, which `drv-thru serve` reads when it starts. */
async function withNix(stage: Stage, settings: NixConf, before: NixConf, work: () => Promise<void>): Promise<void> {
  const change = async (conf: NixConf) => {
    await stage.stopServe();
    await stage.builder.configure(conf);
    await stage.startServe();
  };
  await change(settings);
  try {
    await work();
  } finally {
    await change(before);
  }
}

test("a builder whose Nix may build nothing itself, and has nobody to build for it, says so and gives the use back", {
  skip,
}, async () => {
  const stage = current();
  await withNix(stage, { "max-jobs": "0" }, { "max-jobs": "1" }, async () => {
    const ticket = await stage.ticket();
    const { status, stderr } = await stage.build(ticket, 'step "nowhere" "echo > $out" { }');
    assert.equal(status, 1, stderr);
    const words =
      /^error: the builder's Nix cannot build this: it builds nothing itself \(max-jobs = 0\), and no other/m;
    assert.match(stderr, words);
    assert.match(stderr, /the use of the ticket was given back/);
    assert.equal((await stage.record(ticket)).status, "active");
  });
});

test("what another machine has built for the builder is signed and comes back", { skip: needsRoot }, async () => {
  const stage = current();
  const system = JSON.parse((await stage.builder.run(["nix", "show-config", "--json"])).stdout).system.value;
  const second = { builders: `local?root=/var/second ${system} - 1 1`, "max-jobs": "0" };
  await withNix(stage, second, { builders: "", "max-jobs": "1" }, async () => {
    const dependency = 'step "made-elsewhere" "echo made elsewhere > $out" { }';
    const [path = ""] = await stage.built(
      await stage.ticket(),
      `let it = ${dependency}; in step "uses-it" "cat \${it} > $out; echo \${it} >> $out" { }`,
    );
    const [words, reference = ""] = readFileSync(stage.client.outside(path), "utf8").split("\n");
    assert.equal(words, "made elsewhere");
    for (const made of [path, reference]) {
      const { stdout } = await stage.builder.run(["nix", "path-info", "--json", made]);
      // A list, or with a newer Nix an object by path.
      const [info] = Object.values<{ ultimate?: boolean }>(JSON.parse(stdout));
      assert.equal(info?.ultimate ?? false, false, "the builder did not build it itself");
      assert.match((await stage.client.run(["nix", "path-info", "--sigs", made])).stdout, /drv-thru/);
    }
  });
});
