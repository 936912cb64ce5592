import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync, watch } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../until.ts";
import { useStage } from "./stage.ts";

const { skip, current } = useStage({ client: { users: ["guest", "second"] } });

/** Makes an output of so many bytes that do not shrink. */
const noise = (name: string, bytes: number) => `step "${name}" "head -c ${bytes} /dev/urandom > $out" { }`;

const cacheInside = () => `/home/${current().builder.user}/.local/state/drv-thru/cache`;
const cache = () => current().builder.outside(cacheInside());

/** The entries of the builder's cache, by the name of their path. */
function entries(): Map<string, string> {
  const files = readdirSync(cache()).filter(name => name.endsWith(".narinfo"));
  const texts = files.map(name => readFileSync(join(cache(), name), "utf8"));
  return new Map(texts.map(text => [/^StorePath: \/nix\/store\/[a-z0-9]{32}-(.*)$/m.exec(text)?.[1] ?? "", text]));
}

/** What `serve` has logged of that kind, oldest first. */
function logged(message: string): Record<string, unknown>[] {
  return current()
    .serve.written("stderr")
    .split("\n")
    .filter(line => line.includes(`"msg":"${message}"`))
    .map(line => JSON.parse(line));
}

test("the builder's cache folder is a binary cache from which Nix itself copies, given the builder's key alone", {
  skip,
}, async () => {
  const stage = current();
  const [path = ""] = await stage.built(
    await stage.ticket(),
    `step "top" "cat $dep > $out; echo $dep $mixed >> $out" {
      dep = step "dep" "echo content > $out" { };
      mixed = step "mixed" "(yes | head -c 4200000; head -c 4200000 /dev/urandom; yes | head -c 1000000) > $out" { };
    }`,
  );
  await until("all three are cached", () => ["top", "dep", "mixed"].every(name => entries().has(name)));
  const fileSize = Number(/^FileSize: (\d+)$/m.exec(entries().get("mixed") ?? "")?.[1]);
  assert.ok(fileSize > 4_200_000 && fileSize < 4_300_000, `${fileSize} bytes, of which 4,200,000 do not shrink`);
  const { stdout } = await stage.admin("ticket", "inspect", await stage.ticket(), "--json");
  const key: string = JSON.parse(stdout).signingKey;
  const copy = (store: string, keys: string) =>
    stage.builder.run([
      ...["nix", "copy", "--from", `file://${cacheInside()}`, "--to", `/tmp/${store}`, path],
      ...["--option", "require-sigs", "true", "--option", "trusted-public-keys", keys],
    ]);
  const stranger = `${key.split(":")[0]}:${Buffer.alloc(32, 7).toString("base64")}`;
  assert.notEqual((await copy("untrusting", stranger)).status, 0);
  const { status, stderr } = await copy("other", key);
  assert.equal(status, 0, stderr);
  assert.match(
    readFileSync(stage.builder.outside(`/tmp/other${path}`), "utf8"),
    /^content\n\/nix\/store\/.*-dep .*-mixed\n$/,
  );
  assert.equal(statSync(cache()).mode & 0o777, 0o700);
});

test("a second client is served from the cache, and the log says so", { skip }, async () => {
  const stage = current();
  const expression = noise("shared", 3_000_000);
  const [path = ""] = await stage.built(await stage.ticket(), expression);
  await until("it is cached", () => entries().has("shared"));
  assert.deepEqual([logged("paths served").at(-1)?.["hits"], logged("paths served").at(-1)?.["fills"]], [0, 1]);
  // The second client has a store of its own: this one forgets the path.
  const gone = await stage.client.run(["nix-store", "--delete", path], { user: "root" });
  assert.equal(gone.status, 0, gone.stderr);
  const { status, stdout, stderr } = await stage.build(await stage.ticket(), expression, [], "second");
  assert.equal(status, 0, stderr);
  assert.equal(stdout.trim(), path);
  const served = logged("paths served").at(-1) ?? {};
  assert.deepEqual([served["hits"], served["fills"], served["direct"], served["paths"]], [1, 0, 0, 1]);
  assert.ok(Number(served["bytes"]) >= 3_000_000);
  assert.equal(typeof served["seconds"], "number");
  const told = logged("closure told").at(-1) ?? {};
  assert.ok(Number(told["bytes"]) >= 3_000_000 && typeof told["seconds"] === "number");
});

test("ten clients who want the same large output at the same moment cause one fill", { skip }, async () => {
  const stage = current();
  const expression = noise("wanted-by-ten", 3_000_000);
  const [path = ""] = await stage.built(await stage.ticket(), expression, ["--quiet"]);
  await until("it is cached", () => entries().has("wanted-by-ten"));
  const before = logged("paths served").length;
  await stage.client.run(["nix-store", "--delete", path], { user: "root" });
  await stage.stopServe();
  // An empty cache, so that somebody must fill it.
  await stage.builder.run(["rm", "-r", cacheInside()]);
  await stage.startServe();
  await until(
    "the cache is open",
    () => existsSync(join(cache(), "signing-public.key")) && readdirSync(join(cache(), "tmp")).length === 0,
  );
  const made = new Set<string | null>();
  const watching = watch(join(cache(), "tmp"), (_, name) => made.add(name));
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, async () => stage.build(await stage.ticket(), expression)),
  );
  for (const { status, stderr } of outcomes) assert.equal(status, 0, stderr);
  await until("it is cached", () => entries().has("wanted-by-ten"));
  watching.close();
  assert.equal(made.size, 2, "one file for the archive and one for what is said of it");
  assert.ok(before > 0);
  assert.equal(readdirSync(join(cache(), "nar")).length, 1);
  assert.equal(
    logged("paths served").reduce((sum, line) => sum + Number(line["direct"]), 0),
    0,
  );
});

test("a builder killed in the middle of a fill has no broken entry, and the download goes on when it is back", {
  skip,
}, async () => {
  const stage = current();
  const building = stage.start(await stage.ticket(), noise("interrupted", 40_000_000));
  const temporary = () => {
    const folder = join(cache(), "tmp");
    return existsSync(folder)
      ? readdirSync(folder).map(name => statSync(join(folder, name), { throwIfNoEntry: false }))
      : [];
  };
  await until("the fill has begun", () => temporary().some(file => (file?.size ?? 0) > 5_000_000));
  await stage.stopServe("SIGKILL");
  assert.ok(!entries().has("interrupted"));
  await stage.startServe();
  const { status, stdout, stderr } = await building.ended;
  assert.equal(status, 0, stderr);
  assert.equal(statSync(stage.client.outside(stdout.trim())).size, 40_000_000);
  await until("it is cached", () => entries().has("interrupted"));
  assert.deepEqual(readdirSync(join(cache(), "tmp")), []);
  const verified = await stage.client.run(["nix", "store", "verify", "--sigs-needed", "1", stdout.trim()]);
  assert.equal(verified.status, 0, verified.stderr);
});
