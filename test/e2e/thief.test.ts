import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { checkoutInside } from "../hosts/files.ts";
import { useStage } from "./stage.ts";

const { skip, current } = useStage();

test("attack: a guest's derivation names another guest's source by its path", { skip }, async () => {
  const stage = current();
  const { client } = stage;
  writeFileSync(client.outside(`/home/${client.user}/secret`), "another guest's words\n");
  const [output = ""] = await stage.built(
    await stage.ticket(),
    'step "theirs" "cat $secret > $out" { secret = ./secret; }',
  );
  const { stdout } = await client.run(["nix-store", "--query", "--references", (await deriverOf(output)) ?? ""]);
  const secret = stdout.split("\n").find(path => path.endsWith("-secret")) ?? "";

  const { stdout: info } = await client.run(["nix", "path-info", "--json", secret]);
  const ca = /"ca":"([^"]+)"/.exec(info)?.[1] ?? "";

  const thief = [
    `${checkoutInside}/node_modules/.bin/node`,
    `${checkoutInside}/test/e2e/attackers/thief.ts`,
    secret,
    ca,
  ];
  const { status, stdout: told, stderr } = await client.run(thief, { env: { DRV_THRU_TICKET: await stage.ticket() } });
  assert.equal(status, 0, stderr);
  const { lacking, sent, guessed, started } = JSON.parse(told);
  assert.ok(lacking.includes(secret), "what it cannot show is not there for it");
  assert.deepEqual([sent, started], ["PATH_NOT_NAMED", "PATH_NOT_NAMED"]);
  assert.notEqual(guessed, "taken");
});

/** The derivation that made a path, as the client's Nix knows it. */
async function deriverOf(path: string): Promise<string | undefined> {
  const { stdout } = await current().client.run(["nix-store", "--query", "--deriver", path]);
  return stdout.trim();
}
