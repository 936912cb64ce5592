import assert from "node:assert/strict";
import { test } from "node:test";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

/** Runs what must succeed as the builder's owner, and gives what it printed. */
async function typed(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await current().admin(...args);
  assert.equal(status, 0, `${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function record(ticket: string) {
  return JSON.parse(await typed("ticket", "inspect", ticket, "--json")).record;
}

test("a ticket without flags has the described defaults and a name by the time", { skip }, async () => {
  const ticket = await current().ticket();
  const made = await record(ticket);
  assert.match(made.name, /^ticket-[0-9]{10}$/);
  const { uses, maxBuildSeconds, maxUploadBytes, boundClient, status } = made;
  assert.deepEqual(
    [uses, maxBuildSeconds, maxUploadBytes, boundClient, status],
    [1, 1800, 20 * 2 ** 30, undefined, "active"],
  );
  assert.equal(Date.parse(made.expiresAt) - Date.parse(made.createdAt), 2 * 3_600_000);
});

test("every flag of ticket create is in the ticket's record", { skip }, async () => {
  const client = "c1".repeat(32);
  const limits = ["--expires", "2 Hours", "--max-build-time", "90 MIN", "--max-upload-bytes", "5 gib"];
  const bound = ["--bind-client", client.toUpperCase(), "--no-addresses"];
  const ticket = await current().ticket("--name", "friend", "--uses", "3", ...limits, ...bound);
  const { name, uses, maxBuildSeconds, maxUploadBytes, boundClient } = await record(ticket);
  assert.deepEqual(
    [name, uses, maxBuildSeconds, maxUploadBytes, boundClient],
    ["friend", 3, 5400, 5 * 2 ** 30, client],
  );
  const text = JSON.parse(await typed("ticket", "inspect", ticket, "--json"));
  assert.deepEqual(text.addresses, []);
  for (const any of [["--unlimited"], ["--uses", "UNLIMITED"]]) {
    assert.equal((await record(await current().ticket(...any))).uses, undefined);
  }
});

test("tickets are listed oldest first with their status, - for none, and never a secret", { skip }, async () => {
  const revoked = await current().ticket("--name", "revoked", "--expires", "1s");
  const { id } = await record(revoked);
  await typed("ticket", "revoke", id);
  await current().ticket("--name", "expired", "--expires", "1s");
  await current().ticket("--name", "active");
  while ((await typed("ticket", "list")).match(/^\S+ +expired +active/m));
  const text = await typed("ticket", "list");
  const [head = "", ...rows] = text.trim().split("\n");
  assert.match(head, /^ID +NAME +STATUS +USES +EXPIRES +BOUND TO$/);
  const last = rows.slice(-3).map(row => row.split(/ {2,}/));
  assert.deepEqual(
    last.map(([, name, status]) => [name, status]),
    [
      ["revoked", "revoked"],
      ["expired", "expired"],
      ["active", "active"],
    ],
  );
  assert.equal(last[2]?.at(-1), "-");
  const json = await typed("ticket", "list", "--json");
  for (const shown of [text, json]) assert.doesNotMatch(shown, /drvthru[a-z2-7]/);
  const created = json
    .trim()
    .split("\n")
    .map(line => Date.parse(JSON.parse(line).createdAt));
  assert.deepEqual(
    created,
    created.toSorted((a, b) => a - b),
  );
});

test("a ticket is inspected on anybody's machine, and on its builder with its record", { skip }, async () => {
  const ticket = await current().ticket("--name", "seen");
  const away = await current().client.run(["drv-thru", "ticket", "inspect", ticket]);
  assert.equal(away.status, 0, away.stderr);
  for (const row of [/^id +[0-9a-f]{64}$/m, /^builder +[0-9a-f]{64}$/m, /^relays +-$/m, /^addresses +\S+:\d+/m]) {
    assert.match(away.stdout, row);
  }
  assert.match(away.stdout, /^signing key +drv-thru-[0-9a-f]{8}:/m);
  assert.match(away.stdout, /^record +no record here$/m);
  assert.match(await typed("ticket", "inspect", ticket), /^name +seen\nstatus +active\nuses +1 of 1 left$/m);
});

test("a ticket is revoked more than once with its id as the answer, and revealed also when it is dead", {
  skip,
}, async () => {
  const ticket = await current().ticket();
  const { id } = await record(ticket);
  for (const again of [1, 2]) assert.equal(await typed("ticket", "revoke", id), `${id}\n`, `time ${again}`);
  assert.equal((await typed("ticket", "reveal", id.slice(0, 12))).trim(), ticket);
  assert.equal((await record(ticket)).status, "revoked");
});

test('an id that no ticket has is "ticket not found", with the id', { skip }, async () => {
  for (const verb of ["inspect", "reveal", "revoke"]) {
    const { status, stderr } = await current().admin("ticket", verb, "0123456789abcdef");
    assert.equal(status, 1);
    assert.match(stderr, /ticket not found: 0123456789abcdef\n/);
  }
});
