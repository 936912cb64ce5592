import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Cli } from "clipanion";
import { commands } from "../../src/cli/commands/index.ts";
import { run } from "../../src/cli/main.ts";
import { VERSION } from "../../src/lib/protocol.ts";
import { testIo } from "./io.ts";

async function type(...argv: string[]) {
  const world = testIo();
  const code = await run(argv, world.io);
  return { code, stdout: world.stdout(), stderr: world.stderr() };
}

test("no command prints the commands on stderr and exits 2", async () => {
  const typed = await type();
  assert.equal(typed.code, 2);
  assert.equal(typed.stdout, "");
  assert.match(typed.stderr, /ticket create {3}Make a ticket/);
});

test("every command has help with a verb, a usage line and an example", async () => {
  for (const command of commands) {
    const words = command.paths?.[0] ?? [];
    const asked = await type(...words, "--help");
    assert.equal(asked.code, 0, words.join(" "));
    assert.equal(asked.stderr, "");
    assert.match(asked.stdout, /^[A-Z][a-z]+ /);
    assert.ok(asked.stdout.includes(`\nUsage: drv-thru ${words.join(" ")} `), asked.stdout);
    assert.match(asked.stdout, /\nExamples:\n {2}.+\n {4}/);
    assert.equal((await type("help", ...words)).stdout, asked.stdout);
  }
});

test("an unknown command exits 2 and lists the known ones, of its noun if it has one", async () => {
  const typo = await type("bluid");
  assert.equal(typo.code, 2);
  assert.match(typo.stderr, /^error: unknown command "bluid"\n\ndrv-thru build\n/);
  const verb = await type("ticket", "craete");
  assert.match(verb.stderr, /^error: unknown command "ticket craete"\n\ndrv-thru ticket create\n/);
  assert.doesNotMatch(verb.stderr, /drv-thru build/);
});

const wrong: readonly [argv: string[], error: RegExp][] = [
  [["build", "--nonsense"], /unknown option "--nonsense"\n\ndrv-thru build --help/],
  [["build", "--ticket"], /--ticket needs a value/],
  [["build", "--override-input", "nixpkgs"], /--override-input needs a value/],
  [["build", "--no-link=3"], /--no-link takes no value, and is given one: "--no-link=3"/],
  [["build", "--out-link", ""], /--out-link names no path/],
  [["build", "--ticket-file", ""], /--ticket-file names no file/],
  [["build", "--ticket", "a", "--ticket-file", "b"], /--ticket and --ticket-file exclude each other/],
  [["build", "--ticket", "a", "--server", "b"], /--ticket and --server exclude each other/],
  [["build", "--ticket", "a", "--builder", "b"], /--ticket and --builder exclude each other/],
  [["build", "--server", "ab".repeat(32), "--builder", "b"], /--builder and --server exclude each other/],
  [["status", "--ticket-file", "a", "--builder", "b"], /--ticket-file and --builder exclude each other/],
  [["build", "--builder", ""], /--builder names no builder/],
  [
    ["build", "--builder", "b", "--relay-url", "https://relay.example"],
    /--relay-url says where --server is, and there is no --server/,
  ],
  [
    ["build", "--ticket", "a", "--address", "192.0.2.7:1"],
    /--address says where --server is, and there is no --server/,
  ],
  [["build", "--relay-url", "https://relay.example"], /--relay-url says where --server is, and there is no --server/],
  [["build", "--server", "abc"], /--server "abc" is not an endpoint id/],
  [["build", "--server", "ab".repeat(32), "--address", "192.0.2.7"], /--address "192.0.2.7" is not IP:PORT/],
  [
    ["build", "--server", "ab".repeat(32), "--address", "192.0.2.7:65536"],
    /--address "192.0.2.7:65536" is not IP:PORT/,
  ],
  [["build", "--server", "ab".repeat(32), "--relay-url", "relay"], /--relay-url "relay" is not the URL of a relay/],
  [["build", "--out-link", "x", "--no-link"], /--out-link and --no-link exclude each other/],
  [["build", "--file", "x", "--expr", "y"], /--file and --expr exclude each other/],
  [["build", "--quiet", "-v"], /--quiet and --verbose exclude each other/],
  [["build", "--nar-fetches", "0"], /--nar-fetches "0" is not a number above 0/],
  [["build", "--ticket", "a", "--ticket", "b"], /--ticket takes one value, and is given 2 times/],
  [["build", "-o", "a", "--out-link=b", "-o", "c"], /--out-link takes one value, and is given 3 times/],
  [["ticket", "create", "--uses", "1", "--uses", "2"], /--uses takes one value, and is given 2 times/],
  [["build", "--ticket", " "], /there is no ticket in --ticket/],
  [
    ["build", "--ticket-file", "/nonexistent/ticket"],
    /the ticket file \/nonexistent\/ticket cannot be read: there is no such file or folder\n/,
  ],
  [["build", "--ticket-file", "/"], /the ticket file \/ cannot be read: it is a folder\n/],
  [["ticket", "inspect", "tickets are hard"], /this is not a ticket: a ticket begins with drvthru/],
  [["ticket", "inspect", ""], /the ticket is empty/],
  [["ticket", "create", "--uses", "0"], /--uses "0" is not a number above 0/],
  [["ticket", "create", "--uses", "2", "--unlimited"], /--uses and --unlimited exclude each other/],
  [["ticket", "create", "--expires", "0"], /--expires: a duration of 0 is not allowed/],
  [["ticket", "create", "--expires", "3x"], /--expires: "3x" is not a duration/],
  [["ticket", "create", "--max-upload-bytes", "lots"], /--max-upload-bytes: "lots" is not a size/],
  [["ticket", "create", "--name", " "], /--name must not be blank/],
  [["ticket", "create", "--name", "x".repeat(129)], /a ticket's name has at most 128 bytes\n\n--name friend/],
  [["ticket", "create", "--name", "two\nlines"], /a ticket's name must not have control characters/],
  [["ticket", "create", "--expires", "4000d"], /a ticket is valid for ten years at the most\n\n--expires 7d/],
  [["ticket", "create", "--max-build-time", "4000d"], /a ticket's builds may take ten years at the most/],
  [["ticket", "create", "--bind-client", "abc"], /--bind-client "abc" is not a client id/],
  [["ticket", "reveal"], /error: ID is missing\n\ndrv-thru ticket reveal --help/],
  [["ticket", "reveal", "zzzz"], /"zzzz" is not the id of a ticket\n\nan id is 64 hex digits/],
  [["ticket", "revoke", "abc"], /"abc" is not the id of a ticket/],
  [["ticket", "revoke", "drvthruabc"], /the ticket is damaged or incomplete/],
  [["ticket", "list", "--data-dir", ""], /--data-dir names no folder/],
  [["ticket"], /"ticket" needs a verb\n\ndrv-thru ticket create/],
  [
    ["serve", "--config", "x.json", "--relay", "none"],
    /--config and --relay exclude each other\n\nwrite relay into x.json/,
  ],
  [
    ["serve", "--config", "x.json", "--data-dir", "d"],
    /--config and --data-dir exclude each other\n\nwrite data_dir into x.json/,
  ],
  [
    ["serve", "--config", "x.json", "--trusted-client", "a"],
    /--config and --trusted-client exclude each other\n\nwrite trusted_clients into x.json/,
  ],
  [["serve", "--config", "x.json", "--bind", "a"], /--config and --bind exclude each other\n/],
  [["serve", "--config", "x.json", "--advertise", "a"], /--config and --advertise exclude each other\n/],
  [["serve", "--config", "/nonexistent/server.json"], /\/nonexistent\/server.json/],
  [["serve", "--relay", "nowhere"], /--relay/],
  [["serve", "--bind", "everywhere"], /--bind/],
  [["serve", "--bind", "127.0.0.1", "--bind", "127.0.0.2:1"], /--bind "127.0.0.1 127.0.0.2:1": there is more than one/],
  [["serve", "--advertise", "192.0.2.7"], /--advertise/],
  [["serve", "--config", ""], /--config names no file/],
  [["serve", "--trusted-client", "alex"], /--trusted-client/],
  [["key", "show", "--key-file", ""], /the client key's file has no name\n\n--key-file PATH/],
  [["status", "--server", "ab".repeat(32), "--key-file", ""], /the client key's file has no name/],
  [["key", "show", "extra"], /"extra" is one argument too many/],
  [["completion", "tcsh"], /no completions for "tcsh"/],
];
for (const [argv, error] of wrong) {
  test(`${argv.join(" ")} is refused with 2 before any work`, async () => {
    const typed = await type(...argv);
    assert.match(typed.stderr, /^error: /);
    assert.match(typed.stderr, error);
    assert.equal(typed.code, 2);
    assert.equal(typed.stdout, "");
  });
}

const ticket = `drvthru${"abcdefgh".repeat(30)}`;
for (const argv of [
  [ticket],
  ["build", ticket],
  ["build", "--server", ticket],
  ["build", "--builder", ticket],
  ["build", `--tickt=${ticket}`],
  ["build", "--nar-fetches", ticket],
  ["status", ticket],
  ["serve", "--trusted-client", ticket],
  ["ticket", ticket],
  ["ticket", "create", "--bind-client", ticket],
  ["ticket", "create", "--name", "x", "--expires", ticket],
  ["completion", ticket],
]) {
  test(`a ticket is not repeated where it was typed in a wrong place: ${argv.join(" ").slice(0, 40)}`, async () => {
    for (const env of [{}, { DRV_THRU_DEBUG: "1" }]) {
      const world = testIo({ env });
      assert.equal(await run(argv, world.io), 2);
      assert.match(world.stderr(), /^error: /);
      assert.ok(!world.stderr().includes("abcdefgh".repeat(3)), world.stderr());
    }
  });
}

test("an id of a ticket may be in upper case wherever a command takes one", async () => {
  for (const verb of ["inspect", "reveal", "revoke"]) {
    const typed = await type("ticket", verb, " 3F9A2C ", "--data-dir", "/nonexistent");
    assert.match(typed.stderr, /^error: no builder answers on this machine/, verb);
    assert.equal(typed.code, 3);
  }
});

test("0 or no number of downloads is an error that names the flag or the variable, and the flag wins", async () => {
  const build = async (variable: string, ...flags: string[]) => {
    const world = testIo({ env: { DRV_THRU_NAR_FETCHES: variable } });
    const code = await run(["build", "--ticket", "x", "--expr", "1", ...flags], world.io);
    return { code, stderr: world.stderr() };
  };
  for (const value of ["0", "many", "-1", "1.5", ""]) {
    const { code, stderr } = await build(value);
    assert.equal(code, 2);
    assert.ok(stderr.startsWith(`error: DRV_THRU_NAR_FETCHES "${value}" is not a number`), stderr);
    assert.match((await build("3", `--nar-fetches=${value}`)).stderr, /^error: --nar-fetches/);
  }
  assert.match(
    (await build("0", "--nar-fetches", "1000")).stderr,
    /this is not a ticket/,
    "the flag is looked at alone",
  );
});

test("every flag of every command that takes one value is refused when it is given twice", async () => {
  const cli = Cli.from([...commands]);
  for (const { path, options } of cli.definitions()) {
    for (const { definition, description } of options) {
      const [flag, takesValue] = [/--[a-z-]+/.exec(definition)?.[0] ?? "", definition.includes("#0")];
      if (!takesValue || /repeatable/.test(description ?? "")) continue;
      const words = path.split(" ").slice(1);
      const needed = / (ticket (reveal|revoke|inspect)|builder (add|show|remove)|completion)$/.test(path);
      const typed = await type(...words, ...(needed ? ["abcd"] : []), flag, "x", flag, "y");
      assert.match(typed.stderr, new RegExp(`^error: ${flag} takes one value, and is given 2 times`), path);
      assert.equal(typed.code, 2);
    }
  }
});

test("a flag that may be repeated, and a word behind --, are not counted", async () => {
  const given = await type("build", "--address", "a", "--address", "b", "--file", "x", "--", "--file", "--file");
  assert.doesNotMatch(given.stderr, /takes one value/);
});

test("--version prints the name and version, and below them what carries the bytes", async () => {
  const typed = await type("--version");
  assert.equal(typed.code, 0);
  assert.equal(typed.stdout.split("\n")[0], `drv-thru ${VERSION}`, "the other side is told the same");
  assert.match(typed.stdout, /^drv-thru \d+\.\d+\.\d+\n(@number0\/iroh|native addon, iroh) \d+\.\d+\.\d+\n$/);
});

test("each shell gets a completion script that knows every command", async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await type("completion", shell);
    assert.equal(code, 0);
    for (const command of commands) {
      for (const word of command.paths?.[0] ?? []) assert.ok(stdout.includes(word), `${shell}: ${word}`);
    }
  }
});

test("bash completes a command's flags behind it, a noun's verbs behind that, and takes builder for no build", async () => {
  const { stdout: script } = await type("completion", "bash");
  const completed = (...words: string[]) => {
    const typed = words.map(word => `'${word}'`).join(" ");
    const asked = `COMP_WORDS=(drv-thru ${typed}); COMP_CWORD=${words.length}; _drv_thru; echo "\${COMPREPLY[@]}"`;
    return execFileSync("bash", ["--norc", "-c", `${script}\n${asked}`], { cwd: "/", encoding: "utf8" })
      .trim()
      .split(" ");
  };
  assert.deepEqual(completed("bui"), ["build", "builder"]);
  assert.deepEqual(completed("builder", ""), ["list", "add", "remove", "show"]);
  assert.deepEqual(completed("builder", "add", "lev", "--endpoint"), ["--endpoint-id", "--endpoint-id-file"]);
  assert.deepEqual(completed("build", "--no-l"), ["--no-link"]);
  assert.deepEqual(completed("build", ".#app", "--no-l"), ["--no-link"]);
});
