import assert from "node:assert/strict";
import { appendFileSync } from "node:fs";
import { test } from "node:test";
import { ownUids } from "../hosts/can.ts";
import { useStage } from "./stage.ts";

const users = ["builder", "wally", "other"];
const stage = useStage({ builder: { users } });
const skip = stage.skip ?? (ownUids ? undefined : "needs root, to have users and groups");

/** Does what systemd does with a unit for a socket: binds it for a group, and passes it to the service, which is not in that group. */
const unit = `
const { createServer } = require("node:net");
const fs = require("node:fs");
fs.mkdirSync("/run/drv-thru");
const server = createServer().listen("/run/drv-thru/bound", () => {
  fs.chmodSync("/run/drv-thru/bound", 0o660);
  fs.chownSync("/run/drv-thru/bound", 0, 998);
  fs.renameSync("/run/drv-thru/bound", "/run/drv-thru/builder.sock");
  const serve = ["sh", "-c", "export LISTEN_PID=$$ LISTEN_FDS=1 HOME=/home/builder; exec drv-thru serve --relay none"];
  require("node:child_process").spawn("setpriv", ["--reuid=1000", "--regid=1000", "--clear-groups", ...serve], {
    stdio: ["ignore", "inherit", "inherit", server._handle.fd],
  });
  server.close();
});`;

/** Runs a command on the builder as a user with these groups beside their own. */
function as(uid: number, groups: string, ...argv: string[]) {
  const who = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, groups, "env", `HOME=/home/${users[uid - 1000]}`];
  return stage.current().builder.run([...who, ...argv], { user: "root" });
}

test("members of wheel manage tickets of the service; who is none is told the group, and both keys stay private", {
  skip,
}, async () => {
  const { builder } = stage.current();
  await stage.current().stopServe();
  appendFileSync(builder.outside("/etc/group"), "wheel:x:998:wally\n");
  const service = builder.spawn(["/drv-thru/node_modules/.bin/node", "-e", unit], { user: "root" });
  await service.until(/drv-thru ticket create/);
  const made = await as(1001, "--groups=998", "drv-thru", "ticket", "create", "--name", "by-wally");
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /^drvthru/);
  const listed = await as(1001, "--groups=998", "drv-thru", "ticket", "list");
  assert.match(listed.stdout, /by-wally/);
  const refused = await as(1002, "--clear-groups", "drv-thru", "ticket", "list");
  assert.equal(refused.status, 4, refused.stderr);
  assert.match(
    refused.stderr,
    /you may not open \/run\/drv-thru\/builder\.sock\n\nrun the command as root or as a member of the group wheel\n/,
  );
  for (const key of ["secret.key", "signing-secret.key"]) {
    const seen = await as(1001, "--groups=998", "cat", `/home/builder/.local/state/drv-thru/${key}`);
    assert.notEqual(seen.status, 0, "the keys are the service's alone");
  }
});
