import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { HostProcess } from "../hosts/host.ts";
import { useStage } from "./stage.ts";

const stage = useStage();
const { current } = stage;
const skip = stage.skip ?? whyNoTerminal();

function whyNoTerminal(): string | undefined {
  return existsSync("/usr/bin/script") ? undefined : "there is no script(1) to make a terminal with";
}

/** A build on a terminal of that width, with this program as nom. */
async function onTerminal(
  expression: string,
  how: { nom?: string; flags?: string; columns?: number; exit?: number },
): Promise<{ process: HostProcess; screen: Promise<string> }> {
  const { client, ticket } = { client: current().client, ticket: await current().ticket() };
  mkdirSync(client.outside("/tmp/bin"), { recursive: true });
  const nom = client.outside("/tmp/bin/nom");
  writeFileSync(nom, `#!/bin/sh\n${how.nom ?? "echo no nom was wanted; exit 9"}\n`);
  chmodSync(nom, 0o755);
  writeFileSync(client.outside("/tmp/build.nix"), `with import /home/${client.user}/steps.nix; ${expression}`);
  const size = `stty cols ${how.columns ?? 100} rows 24`;
  const build = `drv-thru build --impure --no-link -f /tmp/build.nix ${how.flags ?? ""} >/tmp/stdout; echo code $?`;
  const process = client.spawn(["script", "-qfec", `${size}; ${build}`, "/dev/null"], {
    env: {
      TERM: "xterm",
      DRV_THRU_TICKET: ticket,
      PATH: `/tmp/bin:${"/drv-thru/scripts:/usr/local/bin:/usr/bin:/bin"}`,
    },
  });
  const code = new RegExp(`code ${how.exit ?? 0}`);
  return { process, screen: process.until(code).then(() => process.written()) };
}

test("on a terminal running derivations are drawn with their elapsed time, and at the end only what stays is left", {
  skip,
}, async () => {
  const { process, screen } = await onTerminal('step "slow-one" "echo a line; sleep 3; echo > $out" { }', {
    flags: "--no-nom",
  });
  await process.until(/building 0\/1, 1 running, \d+s\r\n {2}2s {2}slow-one/);
  const drawn = await screen;
  assert.match(drawn, /a line\r\n/);
  assert.match(
    drawn,
    /\x1b\[J.*slow-one built on [0-9a-f]{12}\r\n {2}sent +\d+ of \d+ inputs[\s\S]*total +\d+s\r\ncode 0/,
  );
  assert.doesNotMatch(drawn, /no nom was wanted/);
});

test("on a narrow terminal no line is drawn in place that wraps", { skip }, async () => {
  const name = `a-${"very-".repeat(12)}long-name`;
  const { screen } = await onTerminal(`step "${name}" "sleep 2; echo > $out" { }`, { flags: "--no-nom", columns: 30 });
  const drawn = (await screen).split(/[\r\n]/).filter(line => line.includes("very-") && !line.includes("built on"));
  assert.ok(drawn.length > 0);
  for (const line of drawn) assert.ok([...line.replace(/\x1b\[\d*[A-Z]/g, "")].length < 30, JSON.stringify(line));
});

test("nom in PATH is given the build as Nix's internal JSON, and what it prints never reaches stdout", {
  skip,
}, async () => {
  const { screen } = await onTerminal('step "for-nom" "echo to nom; echo > $out" { }', {
    nom: "echo drawn by nom; exec cat >/tmp/taken",
  });
  assert.match(await screen, /drawn by nom/);
  const { client } = current();
  const taken = readFileSync(client.outside("/tmp/taken"), "utf8");
  const events = taken
    .trimEnd()
    .split("\n")
    .map(line => JSON.parse(line.replace(/^@nix /, "")));
  assert.ok(events.some(({ type, fields }) => type === 105 && /-for-nom\.drv$/.test(fields[0]) && fields.length === 4));
  assert.ok(events.some(({ type, fields }) => type === 101 && fields[0] === "to nom"));
  assert.match(readFileSync(client.outside("/tmp/stdout"), "utf8"), /^\/nix\/store\/\S+-for-nom\n$/);
});

test("a nom that dies in the middle of a build costs one line, and the outputs are here", { skip }, async () => {
  const { screen } = await onTerminal('step "nom-dies" "echo first; sleep 2; echo second; echo > $out" { }', {
    nom: "read line; exit 3",
  });
  assert.match(await screen, /going on without nom: it ended with exit code 3\r\n[\s\S]*second/);
});

test("a failed build on a terminal has nom's failure, our summary and the error", { skip }, async () => {
  const { screen } = await onTerminal('step "fails-with-nom" "exit 4" { }', { nom: "exec cat >/tmp/taken", exit: 100 });
  assert.match(await screen, /fails-with-nom failed on [0-9a-f]{12}[\s\S]*error: /);
  assert.match(readFileSync(current().client.outside("/tmp/taken"), "utf8"), /"level":0,"msg":"error: [^"]*failed/);
});

test("without a terminal log lines come while the build goes on; -L names their derivation, --quiet hides them", {
  skip: stage.skip,
}, async () => {
  const { ticket, build } = { ticket: () => current().ticket(), build: current().build.bind(current()) };
  const going = current().start(await ticket(), 'step "live" "echo at work; sleep 1000" { }');
  await going.until(/^at work$/m, "stderr");
  await going.signal("SIGINT");
  assert.equal((await going.ended).status, 130);
  const line = (name: string) => `step "${name}" "echo a line of log; echo > $out" { }`;
  assert.match((await build(await ticket(), line("named"), ["-L"])).stderr, /^named> a line of log$/m);
  const quiet = await build(await ticket(), line("hidden"), ["--quiet"]);
  assert.deepEqual([quiet.status, quiet.stderr], [0, ""]);
});
