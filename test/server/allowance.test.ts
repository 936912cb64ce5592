import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClientId } from "../../src/lib/ids.ts";
import { GIVEN_BACK_TIME } from "../../src/tickets/given-back.ts";
import { derivation, type MadePath, sourcePath } from "../fakes/make-path.ts";
import { open, outcomeOf, put, randomId, refused, upload } from "./calls.ts";
import { type Connected, type World, world } from "./world.ts";

/** A source that fills one upload of these worlds; each name is another path of the same size. */
const large = (name: string): MadePath => sourcePath(`large-${name}`, name.padEnd(10_000, "x"));
const SIZE = large("a").info.narSize;
const limits = { maxGivenBackUploads: 2 };

/** Uploads once in full, and gives up before the build begins. */
async function giveUp(guest: Connected, name: string): Promise<void> {
  const buildId = await open(guest, [derivation({ name })]);
  await put(guest, buildId, [large(name)]);
  await guest.build.cancel({ buildId });
}

/** What comes of one more upload of this size. */
async function another(guest: Connected, name: string, path = large(name)): Promise<string> {
  const buildId = await open(guest, [derivation({ name })]);
  const answer = await refused(put(guest, buildId, [path]));
  await guest.build.cancel({ buildId });
  return answer;
}

for (const [whose, come] of [
  [
    "a ticket without counted uses",
    (builder: World) => builder.anyone({ maxUploadBytes: SIZE, expiresIn: 2 * GIVEN_BACK_TIME }),
  ],
  [
    "a trusted client",
    async (builder: World) => {
      const client = randomId<ClientId>();
      builder.trustedClients.set(client, { id: client, name: "friend", maxBuildSeconds: 60, maxUploadBytes: SIZE });
      return builder.trusted(client);
    },
  ],
] as const) {
  test(`${whose} gives up two uploads in full, and the next byte of a third is refused for a day`, async t => {
    const builder = await world(t, { limits });
    const guest = await come(builder);
    await giveUp(guest, "a");
    await giveUp(guest, "b");
    assert.equal(await another(guest, "c"), "UPLOAD_LIMIT");
    assert.equal(await another(guest, "tiny", sourcePath("tiny", "x")), "UPLOAD_LIMIT");
    builder.later(GIVEN_BACK_TIME);
    assert.equal(await another(guest, "c"), "taken");
  });
}

test("what was given up is remembered by a builder that restarts", async t => {
  const builder = await world(t, { limits });
  const ticket = await builder.ticket({ uses: undefined, maxUploadBytes: SIZE });
  const client = randomId<ClientId>();
  await giveUp(builder.guest(ticket, client), "a");
  await giveUp(builder.guest(ticket, client), "b");
  await builder.crash();
  await builder.start();
  assert.equal(await another(builder.guest(ticket, client), "c"), "UPLOAD_LIMIT");
});

test("builds that begin pay for what they sent: any number of them may", async t => {
  const builder = await world(t, { limits });
  const guest = await builder.anyone({ maxUploadBytes: 2 * SIZE });
  for (const name of ["a", "b", "c", "d", "e", "f"]) {
    const source = large(name);
    const buildId = await upload(guest, [derivation({ name, sources: [source.info.path] })], [source]);
    await guest.build.start({ buildId });
    assert.equal(await outcomeOf(guest, buildId), "BUILT");
  }
});

test("clients of one ticket that upload at once have one allowance, of which each byte counts once", async t => {
  const builder = await world(t, { limits });
  const ticket = await builder.ticket({ uses: undefined, maxUploadBytes: SIZE });
  const builds = await Promise.all(
    ["a", "b", "c"].map(async name => {
      const guest = builder.guest(ticket);
      return { name, guest, buildId: await open(guest, [derivation({ name })]) };
    }),
  );
  // None of them had sent anything when the last was opened.
  const answers = await Promise.all(
    builds.map(({ name, guest, buildId }) => refused(put(guest, buildId, [large(name)]))),
  );
  assert.deepEqual(answers.sort(), ["UPLOAD_LIMIT", "taken", "taken"]);
});

test("a ticket of two uses that are open at once takes two uploads in full, whatever was given back before", async t => {
  const builder = await world(t, { limits });
  const guest = builder.guest(await builder.ticket({ uses: 2, maxUploadBytes: SIZE }));
  await giveUp(guest, "a");
  const [first, second] = [
    await open(guest, [derivation({ name: "b" })]),
    await open(guest, [derivation({ name: "c" })]),
  ];
  assert.equal(await refused(put(guest, first, [large("b")])), "taken");
  assert.equal(await refused(put(guest, second, [large("c")])), "UPLOAD_LIMIT");
});
