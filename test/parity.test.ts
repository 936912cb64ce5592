import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(import.meta.dirname, "..");

test("every row of the parity table names a test that exists", () => {
  const text = readFileSync(join(root, "test/parity.md"), "utf8");
  assert.deepEqual(proofsIn(text).flatMap(complaintAbout), []);
});

test("a row with a wrong file, a wrong name or no name at all is noticed", () => {
  const row = (where: string, name: string) => `| a | \`${where}\` | ${name} |`;
  const here = "test/parity.test.ts";
  const rows = [row("test/none.test.ts", "x"), row(here, "no such test at all".repeat(2)), row(here, ""), row("", "x")];
  assert.equal(proofsIn(rows.join("\n")).flatMap(complaintAbout).length, 4);
  assert.deepEqual(complaintAbout({ where: here, name: "every row of the parity table names a test that exists" }), []);
});

test("every test that docs/security.md names against a threat exists", () => {
  const text = readFileSync(join(root, "docs/security.md"), "utf8");
  const threats = text.split("\n").flatMap(line => {
    const [, threat = "", stops = "", tests = "", end] = line.split("|").map(cell => cell.trim());
    return end === "" && stops !== "" && tests !== "" && !/^(-+|test)$/.test(tests) ? [{ threat, tests }] : [];
  });
  assert.ok(threats.length > 60, `${threats.length} threats were found`);
  for (const { threat, tests } of threats) {
    let file = "";
    for (const [, path, contract, name] of tests.matchAll(/`([a-z0-9/-]+)`|(contract of endpoints)|"([^"]+)"/g)) {
      if (path !== undefined) file = readFileSync(join(root, "test", `${path}.test.ts`), "utf8");
      if (contract !== undefined) file = globSync(join(root, "test/contract/endpoint/*.ts")).map(read).join("\n");
      // What a name leaves out, a template among it, stands as an ellipsis.
      for (const words of (name ?? "").split("…").map(part => part.trim()))
        assert.ok(file.includes(words), `${threat}: ${words}`);
    }
  }
});

function read(path: string): string {
  return readFileSync(path, "utf8");
}

interface Proof {
  readonly where: string;
  readonly name: string;
}

/** The rows of all tables but the last one, which tells of differences and has words in its middle column. */
function proofsIn(text: string): Proof[] {
  const [proven = ""] = text.split("\n## Where ours differs\n");
  const rows = proven.split("\n").filter(line => line.startsWith("|") && !/^\|(---\|)+$|^\| what \|/.test(line));
  return rows.map(row => {
    const [, , where = "", name = ""] = row.split(/(?<!\\)\|/).map(cell => cell.trim().replaceAll("\\|", "|"));
    return { where: where.replaceAll("`", ""), name };
  });
}

function complaintAbout({ where, name }: Proof): string[] {
  if (where === "" || name === "") return [`a row lacks its ${name === "" ? "test" : "file"}: ${where}${name}`];
  if (!existsSync(join(root, where))) return [`${where} does not exist`];
  // A name may be written as a template (`${flag} is refused`): then its own text counts, as it stands in the file.
  const named = new RegExp(`\\b(test|it)\\(\\s*["'\`]${RegExp.escape(name).replaceAll('"', '\\\\?"')}["'\`]`);
  return named.test(readFileSync(join(root, where), "utf8")) ? [] : [`${where} has no test "${name}"`];
}
