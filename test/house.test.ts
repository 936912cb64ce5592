import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { importsOf, readHouse } from "./house/imports.ts";
import { circlesIn, complaintsAbout } from "./house/judge.ts";
import { rooms } from "./house/rooms.ts";
import { roomsAsTable } from "./house/table.ts";

const root = join(import.meta.dirname, "..");
const house = readHouse(root);

test("every import stays within what its room may know", () => {
  assert.ok(house.length > 0, "no imports were found at all");
  assert.deepEqual(house.flatMap(complaintsAbout), []);
});

test("no files import each other in a circle", () => {
  assert.deepEqual(circlesIn(house), []);
});

test("the rules speak of every pair of rooms, each ban with its reason", () => {
  const folders = Object.keys(rooms).filter(name => !name.endsWith(".ts"));
  for (const [name, { may, bans, oneFile }] of Object.entries(rooms)) {
    if (name.endsWith(".ts")) continue;
    const others = [...folders, "gen"].filter(other => other !== name);
    const settled = (other: string) => may.includes(other) || oneFile?.room === other || (bans[other] ?? "") !== "";
    assert.deepEqual(
      others.filter(other => !settled(other)),
      [],
      `${name} says nothing about these`,
    );
  }
});

test("docs/architecture.md shows people the same table", () => {
  const text = readFileSync(join(root, "docs/architecture.md"), "utf8");
  assert.ok(text.includes(roomsAsTable()), `docs/architecture.md must hold exactly this:\n\n${roomsAsTable()}`);
});

test("the file that alone may import Iroh is there once its room imports Iroh", () => {
  for (const [name, { oneFile }] of Object.entries(rooms)) {
    if (!oneFile || !house.some(found => found.file.startsWith(`${name}/`) && found.target?.startsWith("src/iroh/")))
      continue;
    assert.ok(existsSync(join(root, "src", oneFile.file)), oneFile.file);
  }
});

const refused: readonly [file: string, source: string, why: RegExp][] = [
  ["nix/nar.ts", 'import { serve } from "../server/serve.ts";', /nix may not import server: a lower room/],
  ["nix/nar.ts", 'import type { Ticket } from "../tickets/ticket.ts";', /nix may not import tickets: what Nix is/],
  ["lib/a.ts", 'export { x } from "../nix/x.ts";', /lib may not import nix/],
  ["nix/a.ts", 'import { open } from "lmdb";', /nix may not import lmdb/],
  ["server/queue.ts", 'import { connect } from "../iroh/endpoint.ts";', /only server\/iroh\.ts may import iroh/],
  ["cli/build.ts", 'import { serve } from "../server/serve.ts";', /loads it when it runs/],
  ["cli/build.ts", 'const m = await import("../state/state.ts");', /cli may not import state/],
  ["transport/a.ts", 'import { B } from "../../gen/drvthru/v1/build_pb.js";', /any service/],
  ["bin.ts", 'import "./cli/main.ts";', /bin\.ts loads cli only with import\(\)/],
  ["lib/a.ts", 'import {\n  a,\n  b,\n} from "../cli/main.ts";', /lib may not import cli/],
  ["attic/a.ts", 'import "node:fs";', /attic is no room of the house/],
];
for (const [file, source, why] of refused) {
  test(`an import that its room forbids is refused: ${file}: ${source.replaceAll("\n", " ")}`, () => {
    const [complaint, ...more] = importsOf(file, source).flatMap(complaintsAbout);
    assert.match(complaint ?? "nothing was said", why);
    assert.deepEqual(more, []);
  });
}

test("what a room may import is allowed, and a comment is no import", () => {
  const allowed = [
    importsOf(
      "nix/a.ts",
      'import { readFile } from "node:fs/promises";\nimport { ed25519 } from "@noble/curves/ed25519.js";',
    ),
    importsOf("server/iroh.ts", 'import { listen } from "../iroh/endpoint.ts";'),
    importsOf("cli/serve.ts", 'const { serve } = await import("../server/serve.ts");'),
    importsOf("transport/a.ts", 'import { HeadSchema } from "../../gen/drvthru/transport/v1/frames_pb.js";'),
    importsOf("lib/a.ts", '/**\n * import { x } from "../cli/main.ts"\n */\n// import { y } from "../cli/main.ts"'),
  ];
  assert.deepEqual(allowed.flat().flatMap(complaintsAbout), []);
});

test("a circle over three files is found and shown", () => {
  const circle = [
    ...importsOf("lib/a.ts", 'import { b } from "./b.ts";'),
    ...importsOf("lib/b.ts", 'import { c } from "./c.ts";'),
    ...importsOf("lib/c.ts", 'import type { A } from "./a.ts";'),
  ];
  assert.deepEqual(circlesIn(circle), ["src/lib/a.ts → src/lib/b.ts → src/lib/c.ts → src/lib/a.ts"]);
});
