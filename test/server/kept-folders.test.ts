import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pino } from "pino";
import { KeptFolders } from "../../src/server/build/kept-folders.ts";
import { derivation } from "../fakes/make-path.ts";
import { begin, outcomeOf } from "./calls.ts";
import { world } from "./world.ts";

const log = pino({ level: "silent" });
const limits = { ofAll: 3, ofCredential: 2, time: 1_000 };

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-kept-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test("attack: rebuilds that differ make Nix keep four folders for a ticket, and after that none", async t => {
  const builder = await world(t);
  const guest = await builder.anyone();
  const drv = derivation({ name: "differs" });
  assert.equal(await outcomeOf(guest, await begin(guest, [drv])), "BUILT");
  let folders = 0;
  builder.nix.script(drv.info.path, async ({ say }) => {
    if (builder.nix.builtWith.at(-1)?.keepFailed) say(`note: keeping build directory '/tmp/nix-build-${folders++}'`);
    return { status: "not-deterministic", message: "it may not be deterministic" };
  });
  for (let n = 0; n < 6; n++) {
    const buildId = await begin(guest, [drv], [], { options: { rebuild: true } });
    assert.equal(await outcomeOf(guest, buildId), "NOT_DETERMINISTIC");
  }
  assert.equal(folders, 4);
  await builder.crash();
  await builder.start();
  const again = builder.connect(guest.principal);
  assert.equal(
    await outcomeOf(again, await begin(again, [drv], [], { options: { rebuild: true } })),
    "NOT_DETERMINISTIC",
  );
  assert.equal(folders, 4, "nor after a restart");
});

test("there are as many places as may be for one and for all, and those that were not needed are given back", async t => {
  const kept = await KeptFolders.open(join(await folderOf(t), "kept"), { log, now: () => 0, limits });
  const mine = await kept.take("a", 9);
  assert.equal(mine.places, 2);
  assert.equal((await kept.take("a", 1)).places, 0);
  const theirs = await kept.take("b", 9);
  assert.equal(theirs.places, 1);
  mine.done();
  assert.equal((await kept.take("c", 9)).places, 2);
});

test("a folder counts until it is gone, one that cannot be seen until time has passed, also after a restart", async t => {
  const folder = await folderOf(t);
  let now = 0;
  const open = () => KeptFolders.open(join(folder, "kept"), { log, now: () => now, limits });
  const first = await open();
  await mkdir(join(folder, "seen"));
  first.note("a", join(folder, "seen"));
  first.note("a", "/nowhere/nix-build-1");
  await first.close();
  const second = await open();
  const places = async () => {
    const { places, done } = await second.take("a", 2);
    done();
    return places;
  };
  assert.equal(await places(), 0);
  now = 1_001;
  assert.equal(await places(), 1, "the one that nobody could see");
  await rm(join(folder, "seen"), { recursive: true });
  assert.equal(await places(), 2);
});
