import assert from "node:assert/strict";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Failure } from "../../src/lib/failure.ts";
import { openState } from "../../src/state/open.ts";
import { end, folder, id, request, ticket, ticketOwner } from "./samples.ts";

const BUILDS = 40;

/** A data folder as a builder left it that has run so many builds, and the file that holds its state. */
async function used(t: TestContext): Promise<{ data: string; file: string }> {
  const data = folder(t);
  const state = await openState(data);
  await state.createTicket(ticket(1, { uses: 1000 }));
  for (let n = 0; n < BUILDS; n++) {
    await state.reserve(request(n, ticketOwner(1, 1)), n);
    await state.commit(id.build(n), n);
    if (n % 2 === 0) await state.finish(id.build(n), end(n));
  }
  await state.close();
  return { data, file: join(data, "state", "data.mdb") };
}

/** Holds that this state is refused with an error that names the file and says what to do. */
async function refused(data: string, file: string): Promise<void> {
  await assert.rejects(openState(data), error => {
    assert(error instanceof Failure, String(error));
    assert.equal(error.who, "this machine");
    assert(error.message.includes(`${file} is damaged: `), error.message);
    assert.match(error.fix ?? "", /begin anew[\s\S]*\nmv .*state .*state\.damaged$/);
    return true;
  });
}

test("a state that is whole opens again", async t => {
  const { data } = await used(t);
  const state = await openState(data);
  assert.equal(state.unfinished().length, BUILDS / 2);
  await state.close();
});

// More than a half is in use; of what is not, the end of the file may go without harm.
for (const part of [0.5, 0.1]) {
  test(`a state of which ${part * 100} % is left is refused with its file's name, and nobody dies`, async t => {
    const { data, file } = await used(t);
    truncateSync(file, Math.floor(statSync(file).size * part));
    await refused(data, file);
  });
}

test("a state that is another file altogether is refused likewise", async t => {
  const { data, file } = await used(t);
  writeFileSync(file, "this was never a database\n".repeat(10_000));
  await refused(data, file);
});

test("a state whose pages are overwritten is refused likewise", async t => {
  const { data, file } = await used(t);
  const bytes = readFileSync(file);
  // What names the pages stays; all that they hold is gone.
  bytes.fill(0xff, 16_384);
  writeFileSync(file, bytes);
  await refused(data, file);
});

test("the file that a full disk left empty at a first start is no damage", async t => {
  const { data, file } = await used(t);
  truncateSync(file, 0);
  const state = await openState(data);
  assert.equal(state.ticket(id.ticket(1)), undefined);
  await state.close();
});
