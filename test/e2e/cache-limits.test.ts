import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../until.ts";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();
const skipMount = skip ?? (process.getuid?.() === 0 ? undefined : "needs root, to mount a small disk");

const dataInside = () => `/home/${current().builder.user}/.local/state/drv-thru`;
const cache = () => join(current().builder.outside(dataInside()), "cache");
const noise = (name: string) => `step "${name}" "head -c 2000000 /dev/urandom > $out" { }`;

/** The names of the paths in the cache. */
function names(): string[] {
  const files = readdirSync(cache()).filter(name => name.endsWith(".narinfo"));
  const texts = files.map(name => readFileSync(join(cache(), name), "utf8"));
  return texts.map(text => /^StorePath: \/nix\/store\/[a-z0-9]{32}-(.*)$/m.exec(text)?.[1] ?? "").sort();
}

async function untilCached(...expected: readonly string[]): Promise<void> {
  await until(`the cache holds ${expected.join(" and ")}`, () => names().join() === expected.join());
}

test("a cache of 5 MB holds the two outputs of 2 MB that were used last, also over a restart", { skip }, async () => {
  const stage = current();
  const file = `/home/${stage.builder.user}/server.json`;
  const config = {
    data_dir: dataInside(),
    relay: "none",
    output_cache_max_bytes: "5m",
    output_cache_max_parallel_fills: 1,
  };
  writeFileSync(stage.builder.outside(file), JSON.stringify(config));
  await stage.stopServe();
  await stage.startServeBy(file);
  const [one = ""] = await stage.built(await stage.ticket(), noise("one"));
  await stage.built(await stage.ticket(), noise("two"));
  await untilCached("one", "two");
  await stage.client.run(["nix-store", "--delete", one], { user: "root" });
  await stage.stopServe();
  await stage.startServeBy(file);
  // Used again: now the other is the one to go.
  await stage.built(await stage.ticket(), noise("one"));
  await stage.built(await stage.ticket(), noise("three"));
  await untilCached("one", "three");
  assert.equal(readdirSync(join(cache(), "nar")).length, 2);
});

test("a disk that is full costs the cache, not the client", { skip: skipMount }, async () => {
  const stage = current();
  await stage.stopServe();
  const { stdout: ids } = await stage.builder.run(["sh", "-c", "echo uid=$(id -u),gid=$(id -g)"]);
  const mount = ["mount", "-t", "tmpfs", "-o", `size=1m,mode=0700,${ids.trim()}`, "none", `${dataInside()}/cache`];
  const mounted = await stage.builder.run(mount, { user: "root" });
  assert.equal(mounted.status, 0, mounted.stderr);
  await stage.startServe();
  const [path = ""] = await stage.built(await stage.ticket(), noise("homeless"));
  const verified = await stage.client.run(["nix", "store", "verify", "--sigs-needed", "1", path]);
  assert.equal(verified.status, 0, verified.stderr);
  const { stdout } = await stage.builder.run(["sh", "-c", `ls ${dataInside()}/cache ${dataInside()}/cache/nar`]);
  assert.doesNotMatch(stdout, /narinfo|zst/);
  assert.match(stage.serve.written("stderr"), /"direct":1/);
});
