import assert from "node:assert/strict";
import { test } from "node:test";
import { zstdDecompressSync } from "node:zlib";
import { signerOf } from "../../src/nix/signing-key.ts";
import { parseStorePath } from "../../src/nix/store-path.ts";
import { pathInfoFromWire } from "../../src/server/path-infos.ts";
import { derivation, sourcePath } from "../fakes/make-path.ts";
import { begin, closure, fetched, missing, open, outcomeOf, put, randomId, refused, watch } from "./calls.ts";
import { refusal } from "./door.ts";
import { world } from "./world.ts";

test("a guest builds with a ticket: uploads what is missing, watches, fetches signed outputs", async t => {
  const builder = await world(t);
  const guest = builder.guest(await builder.ticket());
  const source = sourcePath("source", "words ".repeat(1000));
  const dependency = derivation({ name: "dependency", sources: [source.info.path] });
  const top = derivation({ name: "top", inputs: [dependency], outputs: ["out", "dev"] });
  builder.nix.script(top.info.path, async build => {
    build.phase("buildPhase");
    build.log("hello");
    const out = parseStorePath(dependency.outputs["out"] ?? "");
    build.produce("out", "content ".repeat(1000), out ? [out] : []);
    return undefined;
  });

  const buildId = await open(guest, [top]);
  const inputs = [source, dependency, top];
  assert.deepEqual(
    await missing(guest, buildId, inputs),
    inputs.map(path => path.info.path),
  );
  assert.deepEqual(
    await put(guest, buildId, inputs),
    inputs.map(path => path.info.path),
  );
  assert.deepEqual(await missing(guest, buildId, inputs), []);
  await guest.build.start({ buildId });
  const events = await watch(guest, buildId);
  assert.deepEqual(
    events.map(event => event.seq),
    events.map((_, index) => BigInt(index + 1)),
  );
  const kinds = events.map(event => event.event.case);
  for (const kind of ["started", "derivationStarted", "derivationPhase", "logLine", "outputReady", "result"]) {
    assert.ok(
      kinds.some(found => found === kind),
      kind,
    );
  }

  const output = top.outputs["out"] ?? "";
  const infos = (await closure(guest, buildId, output)).map(pathInfoFromWire);
  assert.deepEqual(
    infos.map(info => info.path),
    [dependency.outputs["out"], output],
  );
  for (const info of infos) assert.equal(signerOf(info, [builder.signingKey.public]), builder.signingKey.public);
  const nars = await fetched(
    guest,
    buildId,
    infos.map(info => info.path),
  );
  const nar = nars.get(output);
  assert.deepEqual(
    zstdDecompressSync(nar?.bytes ?? ""),
    builder.nix.valid.get(infos[1]?.path ?? (output as never))?.nar,
  );
});

test("a hundred clients redeem a one-use ticket at once: one wins", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket({ uses: 1 });
  const drv = derivation({ name: "prize" });
  const answers = await Promise.all(Array.from({ length: 100 }, () => refused(open(builder.guest(ticket), [drv]))));
  assert.equal(answers.filter(answer => answer === "taken").length, 1);
  assert.equal(answers.filter(answer => answer === "TICKET_IN_USE").length, 99);
});

test("a spent ticket opens no second build, and repeating the first is free", async t => {
  const builder = await world(t);
  const guest = builder.guest(await builder.ticket());
  const drv = derivation({ name: "once" });
  const buildId = await begin(guest, [drv]);
  assert.equal(await outcomeOf(guest, buildId), "BUILT");
  assert.equal(await refused(open(guest, [drv])), "TICKET_EXHAUSTED");
  assert.equal(await refused(open(guest, [drv], { buildId })), "taken");
  assert.equal(await refused(open(guest, [derivation({ name: "other" })], { buildId })), "BUILD_DIFFERS");
});

test("why a ticket opens no build is told: every use spent, in use elsewhere, expired, bound to another, revoked", async t => {
  const builder = await world(t);
  const drv = derivation({ name: "wanted" });
  const why = async (guest: ReturnType<typeof builder.guest>) => {
    const error = await refusal(open(guest, [drv]));
    return [error.reason, error.message];
  };
  const spender = builder.guest(await builder.ticket());
  assert.equal(await outcomeOf(spender, await begin(spender, [derivation({ name: "first" })])), "BUILT");
  assert.deepEqual(await why(spender), ["TICKET_EXHAUSTED", "every use of the ticket is spent"]);
  const taken = await builder.ticket();
  await open(builder.guest(taken), [drv]);
  const inUse = "the ticket is in use by another build that may still give its use back";
  assert.deepEqual(await why(builder.guest(taken)), ["TICKET_IN_USE", inUse]);
  const bound = await builder.ticket({ boundClient: randomId() });
  assert.deepEqual(await why(builder.guest(bound)), ["TICKET_BOUND", "the ticket is bound to another client"]);
  const expired = await builder.ticket({ expiresIn: 1_000 });
  builder.later(1_000);
  assert.deepEqual(await why(builder.guest(expired)), ["TICKET_EXPIRED", "the ticket has expired"]);
  await builder.state.revokeTicket(expired, builder.now());
  assert.deepEqual(await why(builder.guest(expired)), ["TICKET_REVOKED", "the ticket was revoked"]);
});

test("another client with the same ticket does not see the build", async t => {
  const builder = await world(t);
  const ticket = await builder.ticket({ uses: undefined });
  const buildId = await begin(builder.guest(ticket), [derivation({ name: "mine" })]);
  const other = builder.guest(ticket);
  assert.equal(await refused(other.build.get({ buildId })), "BUILD_UNKNOWN");
  assert.equal(await refused(other.build.cancel({ buildId })), "BUILD_UNKNOWN");
  assert.equal(await refused(watch(other, buildId)), "BUILD_UNKNOWN");
  assert.deepEqual((await other.build.list({})).builds, []);
});
