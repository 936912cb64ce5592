import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { derivation, sourcePath } from "../fakes/make-path.ts";
import { entriesOf } from "./cache/built.ts";
import { begin, closure, fetched, open, outcomeOf, refused } from "./calls.ts";
import { clientId, door, endpoint, proofs, refusal, seed } from "./door.ts";
import { world } from "./world.ts";

type Line = Readonly<Record<string, unknown>>;

/** A log, and what its line with that message says. */
function listen() {
  const lines: Line[] = [];
  const log = pino({}, { write: text => void lines.push(JSON.parse(text)) });
  return { lines, log, said: (message: string) => find(lines, message) };
}

function find(lines: readonly Line[], message: string): Line {
  return lines.find(line => line["msg"] === message) ?? assert.fail(`the log has no "${message}"`);
}

test("the log has each build: who opened it, what was named, missing and received, its end, and what was served in how long", async t => {
  const { lines, log, said } = listen();
  const builder = await world(t, { log });
  const guest = builder.guest(await builder.ticket());
  const source = sourcePath("source", "words");
  const drv = derivation({ name: "logged", sources: [source.info.path] });
  const buildId = await begin(guest, [drv], [source], { installable: ".#logged" });
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  const out = drv.outputs["out"] ?? "";
  const infos = await closure(guest, buildId, out);
  await fetched(guest, buildId, [out]);
  await entriesOf(builder, 1);
  await fetched(guest, buildId, [out]);

  const build = Buffer.from(buildId).toString("hex");
  const { client, installable } = said("build opened");
  assert.ok(guest.principal.kind === "guest");
  assert.deepEqual([said("build opened")["build"], client, installable], [build, guest.principal.name, ".#logged"]);
  assert.deepEqual([said("inputs named")["named"], said("inputs named")["missing"]], [2, 2]);
  assert.equal(said("inputs received")["uploadedBytes"], source.nar.length + drv.nar.length);
  assert.deepEqual([said("build started")["build"], said("build ended")["outcome"]], [build, "BUILT"]);
  const { paths, bytes, seconds } = said("closure told");
  const narBytes = infos.reduce((sum, info) => sum + Number(info.narSize), 0);
  assert.deepEqual([paths, bytes, typeof seconds], [infos.length, narBytes, "number"]);
  const served = lines.filter(line => line["msg"] === "paths served");
  const counts = served.map(line => [
    line["build"],
    line["paths"],
    line["hits"],
    line["fills"],
    typeof line["seconds"],
  ]);
  assert.deepEqual(counts, [
    [build, 1, 0, 1, "number"],
    [build, 1, 1, 0, "number"],
  ]);
});

test("the log has each refused call with its reason", async t => {
  const { log, said } = listen();
  const builder = await world(t, { log });
  const guest = builder.guest(await builder.ticket({ expiresIn: 1 }));
  builder.later(1);
  assert.equal(await refused(open(guest, [derivation({ name: "late" })])), "TICKET_EXPIRED");
  const { rpc, reason, why } = said("refused");
  assert.deepEqual([rpc, reason, why], ["Build.Open", "TICKET_EXPIRED", "the ticket has expired"]);
});

test("the log has who was accepted, by name and endpoint, and who was not, and why", async t => {
  const at = await door(t, [{ id: clientId(1), name: "alex", maxBuildSeconds: 60, maxUploadBytes: 1 }]);
  const [alex, stranger] = [endpoint(1), endpoint(2)];
  await at.guest(alex).present({ proofs: proofs(alex, seed(1)) });
  await refusal(at.guest(stranger).present({ proofs: proofs(stranger, seed(2)) }));
  const lines: Line[] = at.logged.map(line => JSON.parse(line));
  const { as, peer } = find(lines, "accepted");
  assert.deepEqual([as, peer], ["client:alex", alex]);
  const { peer: other, why } = find(lines, "refused");
  assert.equal(other, stranger);
  assert.match(String(why), /does not trust this client/);
});
