import assert from "node:assert/strict";
import { test } from "node:test";
import { Cli } from "clipanion";
import fc from "fast-check";
import { BuildCommand } from "../../src/cli/commands/build.ts";
import { readBuildWords } from "../../src/cli/commands/build-words.ts";
import { refuseRepeated } from "../../src/cli/repeated.ts";
import { testIo } from "./io.ts";

const cli = Cli.from([BuildCommand], { binaryName: "drv-thru" });

/** What clipanion reads in these words. */
function byClipanion(words: readonly string[]): object {
  const { context, cli: _cli, help, path, ...flags } = cli.process([...words], testIo().io) as BuildCommand & object;
  refuseRepeated(BuildCommand, flags, words);
  assert.equal(help, false);
  assert.deepEqual([path, context === undefined], [["build"], false]);
  return flags;
}

/** Every name of every flag that the command has. */
const names = cli
  .definitions()
  .flatMap(({ options }) => options)
  .flatMap(({ definition }) => definition.split(" ")[0]?.split(",") ?? []);

const word = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...names) },
  { weight: 4, arbitrary: fc.constantFrom("nixpkgs#hello", ".", "a", "", "1", "a=b", "build", "drvthruabc") },
  { weight: 1, arbitrary: fc.constantFrom("-", "--", "-kL", "--no-link=3", "--ticket=a", "-h", "--help", "-x") },
);

test("words of a build that are read without clipanion mean what clipanion reads in them", () => {
  assert.ok(names.includes("--out-link") && names.includes("-o") && names.length > 30, names.join(" "));
  let read = 0;
  const property = fc.property(fc.array(word, { maxLength: 8 }), words => {
    const flags = readBuildWords(["build", ...words]);
    if (flags === undefined) return;
    read++;
    assert.deepEqual(flags, byClipanion(["build", ...words]));
  });
  fc.assert(property, { numRuns: 1000 });
  assert.ok(read > 100, `${read}`);
});

test("every flag of a build can be read without clipanion", () => {
  const values = ["a", "b"];
  for (const name of names) {
    const readable = [0, 1, 2].filter(
      count => readBuildWords(["build", name, ...values.slice(0, count)]) !== undefined,
    );
    assert.ok(readable.length > 0, name);
  }
});

test("whatever else is written is left to clipanion", () => {
  const left = ["build --help", "build -kL", "build --ticket=a", "build --ticket", "build --ticket -", "build -- a"];
  for (const words of [
    "",
    "status",
    "help build",
    ...left,
    "build --arg a",
    "build --quiet --quiet",
    "build --file a -f b",
  ])
    assert.equal(readBuildWords(words === "" ? [] : words.split(" ")), undefined, words);
});
