import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { showBuild } from "../../src/cli/build-output.ts";
import { findNom } from "../../src/cli/progress/nom.ts";
import { NomLines } from "../../src/cli/progress/nom-lines.ts";
import type { BuildRun } from "../../src/client/build-run.ts";
import type { BuildEvent } from "../../src/client/events.ts";
import { testIo } from "./io.ts";
import { DRV, OUT, REPORT } from "./report.ts";

const ENDPOINT = REPORT.endpointId ?? "";
const BUILDING: BuildEvent[] = [
  { kind: "connected", endpointId: ENDPOINT, as: "ticket:friend", builderVersion: "1", path: "direct" },
  { kind: "started" },
  { kind: "derivation-started", activity: 1, path: DRV, substituted: false },
  { kind: "derivation-phase", activity: 1, path: DRV, phase: "buildPhase" },
  { kind: "log", activity: 1, path: DRV, text: "compiling" },
  { kind: "derivation-finished", activity: 1, path: DRV },
  { kind: "output-ready", drvPath: DRV, name: "out", path: OUT },
];
const ENDED: BuildEvent = { kind: "ended", outcome: "built", failed: [] };

/** A folder with a program `nom` that does this, a terminal's screen, and how a build is shown with them. */
function withNom(t: TestContext, script: string) {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-nom-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "nom"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, "nom"), 0o755);
  const env = { PATH: `${folder}:${process.env["PATH"]}`, XDG_STATE_HOME: folder, FOLDER: folder };
  const world = testIo({ env, terminal: true, columns: 100, screen: openSync(join(folder, "screen"), "a") });
  const show = (
    events: AsyncIterable<BuildEvent>,
    more: { nom?: boolean; quiet?: boolean; terminal?: boolean } = {},
  ) => {
    const run: BuildRun = {
      result: Promise.resolve(REPORT),
      [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
    };
    const { terminal = true, ...rest } = more;
    const options = { quiet: false, verbose: false, nameDerivations: false, json: false, nom: true, ...rest };
    return showBuild(run, { ...world.io, terminal }, options);
  };
  return { ...world, show, read: (name: string) => readFileSync(join(folder, name), "utf8") };
}

async function* events(...list: BuildEvent[]) {
  yield* list;
  yield { kind: "summary", report: REPORT } as const;
}

test("nom gets the build as Nix's internal JSON; what it prints is on the screen, and stdout has the outputs alone", async t => {
  const nom = withNom(t, 'echo "$@" >$FOLDER/arguments; echo of nom; cat >$FOLDER/taken');
  assert.equal(await nom.show(events(...BUILDING, ENDED)), 0);
  assert.equal(nom.read("arguments"), "--json\n");
  const lines = nom.read("taken").trimEnd().split("\n");
  const told = lines.map(line => JSON.parse(line.replace(/^@nix /, "")));
  const builder = "ssh-ng://abababababab";
  assert.deepEqual(
    told.map(({ action, type, fields }) => [action, type, fields]),
    [
      ["start", 104, []],
      ["start", 105, [DRV, builder, 1, 1]],
      ["result", 104, ["buildPhase"]],
      ["result", 101, ["compiling"]],
      ["stop", undefined, undefined],
      ["start", 100, [OUT, builder, ""]],
    ],
  );
  assert.equal(nom.read("screen"), "of nom\n");
  assert.equal(nom.stdout(), `${OUT}\n`);
  assert.doesNotMatch(nom.stderr(), /compiling/, "nom shows the log");
  assert.match(nom.stderr(), /connected to builder[\s\S]*\.#app built on/);
});

test("a nom that dies costs one line, and the rest is shown without it", async t => {
  const nom = withNom(t, "exit 7");
  async function* slow() {
    for (const event of BUILDING) yield event;
    while (!/going on without nom: it ended with exit code 7/.test(nom.stderr())) {
      yield { kind: "log", activity: 1, path: DRV, text: "lost to nom" } as const;
      await new Promise(resolve => setImmediate(resolve));
    }
    yield { kind: "log", activity: 1, path: DRV, text: "still building" } as const;
    yield* events(ENDED);
  }
  assert.equal(await nom.show(slow()), 0);
  assert.match(nom.stderr(), /going on without nom: [\s\S]*still building[\s\S]*\.#app built on/);
  assert.equal(nom.stderr().match(/going on without nom/g)?.length, 1);
  assert.equal(nom.stdout(), `${OUT}\n`);
});

test("a nom that reads nothing and never ends is given up, whatever it is sent", async t => {
  const nom = withNom(t, "exec sleep 1000");
  const long = "x".repeat(64 * 1024);
  async function* flood() {
    yield* BUILDING;
    for (let n = 0; n < 100; n++) yield { kind: "log", activity: 1, path: DRV, text: long } as const;
    yield { kind: "log", activity: 1, path: DRV, text: "shown without nom" } as const;
    yield* events(ENDED);
  }
  assert.equal(await nom.show(flood()), 0);
  assert.match(nom.stderr(), /going on without nom: it does not keep up\n[\s\S]*shown without nom/);
  assert.equal(await nom.show(events(...BUILDING, ENDED)), 0, "one that only does not end is ended");
});

test("nom is not asked where it is not wanted, not installed, no program, or where there is no terminal", async t => {
  const nom = withNom(t, "touch $FOLDER/ran");
  await nom.show(events(...BUILDING, ENDED), { nom: false });
  await nom.show(events(...BUILDING, ENDED), { quiet: true });
  await nom.show(events(...BUILDING, ENDED), { terminal: false });
  assert.throws(() => nom.read("ran"), { code: "ENOENT" });
  const folder = nom.io.env["FOLDER"] ?? "";
  assert.equal(findNom({ PATH: folder }), join(folder, "nom"));
  chmodSync(join(folder, "nom"), 0o644);
  if (process.getuid?.() !== 0) assert.equal(findNom({ PATH: folder }), undefined);
  assert.equal(findNom({ PATH: "/nonexistent:" }), undefined);
  assert.equal(findNom({}), undefined);
});

test("sentences of ours and failures are messages that nom shows", () => {
  const lines = new NomLines("builder");
  const parsed = (text: string) => JSON.parse(text.replace(/^@nix /, ""));
  assert.deepEqual(parsed(lines.note("warning: x")), { action: "msg", level: 3, msg: "warning: x" });
  const failed = {
    drvPath: DRV,
    outcome: "failed",
    message: `builder for '${DRV}' failed\nmore`,
    lastLines: [],
  } as const;
  assert.deepEqual(parsed(lines.failed(failed)), {
    action: "msg",
    level: 0,
    msg: `error: builder for '${DRV}' failed`,
  });
});
