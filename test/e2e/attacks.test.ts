import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { Code } from "@connectrpc/connect";
import { ofTicket } from "../../src/client/connection/destination.ts";
import { servicesOf } from "../../src/client/connection/services.ts";
import { dialIroh } from "../../src/client/iroh.ts";
import type { EndpointId } from "../../src/lib/ids.ts";
import { sha256 } from "../../src/nix/hash.ts";
import { parseStorePath, type StorePath } from "../../src/nix/store-path.ts";
import { proofKind, prove } from "../../src/tickets/proof.ts";
import { derivation, type MadeDerivation, type MadePath, textPath } from "../fakes/make-path.ts";
import { begin, closure, fetched, missing, open, outcomeOf, put, refused, resultOf, upload } from "../server/calls.ts";
import { intrude } from "./intruder.ts";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

/** What another guest has sent. */
const secret = textPath("secret", "the other guest's words");
let built: Promise<StorePath> | undefined;

/** What was built from it. */
function theirs(): Promise<StorePath> {
  built ??= (async () => {
    const stage = current();
    const words = `\${builtins.toFile "secret" "the other guest's words"}`;
    const [path = ""] = await stage.built(await stage.ticket(), `step "theirs" "cat ${words} > $out" { }`);
    assert.ok(await isValid(secret.info.path), "the test does not know what it looks for");
    return parseStorePath(path) ?? assert.fail(path);
  })();
  return built;
}

async function isValid(path: string): Promise<boolean> {
  return (await current().builder.run(["nix-store", "--check-validity", path])).status === 0;
}

function contentOf(path: MadePath): string {
  const length = Number(Buffer.from(path.nar).readBigUInt64LE(88));
  return Buffer.from(path.nar.subarray(96, 96 + length)).toString();
}

test("attack: a guest names another guest's source, but does not know its bytes", { skip }, async () => {
  await theirs();
  await using thief = await intrude(await current().ticket());
  const drv = derivation({ name: "thief", sources: [secret.info.path] });
  const buildId = await open(thief, [drv]);
  const guess = { ...secret, info: { ...secret.info, narHash: sha256("a guess") } };
  assert.deepEqual(await missing(thief, buildId, [guess, drv]), [secret.info.path, drv.info.path]);
  const garbage = { ...guess, nar: randomBytes(secret.nar.length) };
  assert.equal(await refused(put(thief, buildId, [garbage])), "PATH_CORRUPT");
  assert.equal(await refused(thief.build.start({ buildId })), "PATH_NOT_NAMED");
});

test("attack: a derivation's text names another guest's source that its references hide", { skip }, async () => {
  await using thief = await intrude(await current().ticket());
  const honest = derivation({ name: "hiding", sources: [secret.info.path] });
  const drv: MadeDerivation = { ...honest, ...textPath("hiding.drv", contentOf(honest)) };
  const buildId = await open(thief, [drv]);
  assert.deepEqual(await missing(thief, buildId, [drv]), [drv.info.path]);
  assert.equal(await refused(put(thief, buildId, [drv])), "PATH_NOT_NAMED");
  assert.ok(!(await isValid(drv.info.path)));
});

test("attack: a guest opens a build whose outputs are somebody else's paths", { skip }, async () => {
  for (const path of [secret.info.path, await theirs()]) {
    await using thief = await intrude(await current().ticket());
    const buildId = await upload(thief, [derivation({ name: "honest" })], [], { outputs: { out: path } });
    assert.equal(await refused(thief.build.start({ buildId })), "MALFORMED");
    assert.equal(await refused(closure(thief, buildId, path)), "NOT_PERMITTED");
    assert.equal(await refused(fetched(thief, buildId, [path])), "NOT_PERMITTED");
    await thief.build.cancel({ buildId });
    assert.equal(await refused(closure(thief, buildId, path)), "NOT_PERMITTED");
  }
});

test("attack: a derivation's text gives another's output as its own", { skip }, async () => {
  await using thief = await intrude(await current().ticket());
  const honest = derivation({ name: "claims" });
  const out = await theirs();
  const claimed = contentOf(honest).replaceAll(honest.outputs["out"] ?? "", out);
  const drv: MadeDerivation = { ...honest, outputs: { out }, ...textPath("claims.drv", claimed) };
  const buildId = await open(thief, [drv]);
  await missing(thief, buildId, [drv]);
  assert.notEqual(await refused(put(thief, buildId, [drv])), "taken");
  assert.notEqual(await refused(thief.build.start({ buildId })), "taken");
  assert.equal(await refused(fetched(thief, buildId, [out])), "NOT_PERMITTED");
});

test("attack: a derivation asks Nix to copy the closure of another guest's source into its build", {
  skip,
}, async () => {
  await using thief = await intrude(await current().ticket());
  const env = { exportReferencesGraph: `graph ${secret.info.path}` };
  const buildId = await begin(thief, [derivation({ name: "exporting", env })]);
  const { message } = await resultOf(thief, buildId);
  assert.equal(await outcomeOf(thief, buildId), "FAILED");
  assert.match(message, /not in the input closure/);
});

test("attack: a guest asks for the build of another by its id", { skip }, async () => {
  const ticket = await current().ticket("--uses", "2");
  await using owner = await intrude(ticket);
  await using thief = await intrude(ticket);
  const buildId = await open(owner, [derivation({ name: "private" })]);
  const calls = [
    () => thief.build.get({ buildId }),
    () => thief.build.start({ buildId }),
    () => thief.build.cancel({ buildId }),
    () => fetched(thief, buildId, []),
    () => missing(thief, buildId, []),
  ];
  for (const call of calls) assert.equal(await refused(call()), "BUILD_UNKNOWN");
  assert.deepEqual((await thief.build.list({})).builds, []);
});

test("attack: proofs that were overheard are presented from another connection", { skip }, async () => {
  const { peer, ticket } = ofTicket(await current().ticket());
  const seed = randomBytes(32);
  const [honest, thief] = [await dialIroh(peer, { timeoutMs: 10_000 }), await dialIroh(peer, { timeoutMs: 10_000 })];
  try {
    const ends = { builder: peer.endpointId, connection: honest.session.local as EndpointId };
    const proofs = [prove("client-key", seed, ends), prove("ticket", ticket?.secret ?? seed, ends)].map(proof => ({
      ...proof,
      kind: proofKind[proof.kind],
    }));
    const replayed = servicesOf(thief.session);
    assert.equal(await refused(replayed.tickets.present({ proofs })), "BAD_PROOF");
    await servicesOf(honest.session).tickets.present({ proofs });
    // Nobody is behind that connection, so nothing that it asks is answered.
    await assert.rejects(replayed.build.list({}, { timeoutMs: 300 }), { code: Code.DeadlineExceeded });
  } finally {
    await Promise.all([honest.close(), thief.close()]);
  }
});
