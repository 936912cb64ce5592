import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNoHosts } from "../hosts/can.ts";
import { makeHosts } from "../hosts/hosts.ts";
import { bringTower } from "../hosts/tower.ts";

test("a program of one's own builds with the library, follows the build, and stops it", {
  skip: whyNoHosts(),
}, async () => {
  const hosts = await makeHosts({ builder: { sandbox: false } });
  try {
    const { builder, client } = hosts;
    await builder.spawn(["drv-thru", "serve", "--relay", "none"]).until(/drv-thru ticket create/);
    const made = await builder.run(["drv-thru", "ticket", "create", "--uses", "2"]);
    const ticket = made.stdout.trim();
    const inspected = await client.run(["drv-thru", "ticket", "inspect", ticket, "--json"]);
    await client.configure({ "trusted-public-keys": JSON.parse(inspected.stdout).signingKey });
    const cwd = await bringTower(client, false);
    const program = ["/drv-thru/node_modules/.bin/node", "/drv-thru/examples/build.ts", "-f", "default.nix"];
    const env = { DRV_THRU_TICKET: ticket };

    const stopped = client.spawn(program, { cwd, env });
    await stopped.until(/accepted as ticket:/, "stderr");
    await stopped.signal("SIGINT");
    assert.match((await stopped.ended).stderr, /error: the build was cancelled/);

    const { status, stdout, stderr } = await client.run(program, { cwd, env });
    assert.equal(status, 0, stderr);
    assert.match(stderr, /> the tower stands/);
    assert.match(stdout, /^\/nix\/store\/[0-9a-z]{32}-hello-tower\n$/);
    assert.equal((await client.run(["nix", "path-info", stdout.trim()])).status, 0);
  } finally {
    await hosts.stop();
  }
});
