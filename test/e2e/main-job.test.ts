import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bringTower } from "../hosts/tower.ts";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

test("whoever holds a ticket builds a flake of five derivations, and has its outputs in their store, signed by the builder", {
  skip,
}, async () => {
  const { client, builder, ...stage } = parts();
  const cwd = await bringTower(client, builder.sandboxed);
  const ticket = await stage.ticket();
  const { status, stdout, stderr } = await client.run(["drv-thru", "build", ".", "--ticket", ticket], { cwd });
  assert.equal(status, 0, stderr);

  const [path = ""] = stdout.trim().split("\n");
  assert.match(path, /^\/nix\/store\/[a-z0-9]{32}-hello-tower$/);
  assert.match(stderr, /the tower stands/, "the builder's log lines are shown");
  assert.equal((await client.run(["readlink", "result"], { cwd })).stdout.trim(), path);
  assert.match(readFileSync(client.outside(`${path}/tower.txt`), "utf8"), /hello, whoever built this/);

  const { signingKey } = JSON.parse((await client.run(["drv-thru", "ticket", "inspect", "--json", ticket])).stdout);
  const { stdout: info } = await client.run(["nix", "path-info", "--sigs", path]);
  assert.ok(info.includes(`${signingKey.split(":")[0]}:`), info);
  const verified = await client.run(["nix", "store", "verify", "--recursive", "--sigs-needed", "1", path]);
  assert.equal(verified.status, 0, verified.stderr);
  assert.equal((await current().record(ticket)).status, "exhausted");
});

test("outputs that are here already are printed again without a builder", { skip }, async () => {
  const { client, built, ticket, build } = parts();
  const expression = 'step "once" "echo once > $out" { }';
  const first = await built(await ticket(), expression);
  const again = await build("", expression);
  assert.deepEqual(
    { status: again.status, stdout: again.stdout.trim() },
    { status: 0, stdout: first.join("\n") },
    again.stderr,
  );
  assert.equal(readFileSync(client.outside(first[0] ?? ""), "utf8"), "once\n");
});

test("a build of which the builder lacks nothing sends nothing, and costs a use", { skip }, async () => {
  const { client, built, build, ticket, record } = parts();
  const expression = 'step "kept-there" "echo kept > $out" { }';
  const paths = await built(await ticket(), expression);
  const gone = await client.run(["nix-store", "--delete", ...paths]);
  assert.equal(gone.status, 0, gone.stderr);
  const spent = await ticket();
  const { status, stdout, stderr } = await build(spent, expression);
  assert.equal(status, 0, stderr);
  assert.deepEqual(stdout.trim().split("\n"), paths);
  assert.match(stderr, /^ {2}sent +0 of [1-9]\d* inputs? +0 B /m);
  assert.equal((await record(spent)).status, "exhausted");
});

/** The stage's doings, to be used by name. */
function parts() {
  const stage = current();
  return {
    client: stage.client,
    builder: stage.builder,
    ticket: stage.ticket.bind(stage),
    build: stage.build.bind(stage),
    built: stage.built.bind(stage),
    record: stage.record.bind(stage),
  };
}
