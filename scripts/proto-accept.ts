// `npm run proto:accept -- "what changed and why"`: takes the protos as they stand as what may not break from now on, with a line in the CHANGELOG.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const why = process.argv.slice(2).join(" ").trim();
if (why === "") {
  console.error('error: say what changed, for the CHANGELOG\n\n  npm run proto:accept -- "what changed and why"');
  process.exit(2);
}
const root = join(import.meta.dirname, "..");
execFileSync("buf", ["build", "-o", "proto/baseline.binpb"], { cwd: root, stdio: "inherit" });

const changelog = join(root, "CHANGELOG.md");
const unreleased = "## Unreleased\n";
const text = readFileSync(changelog, "utf8");
if (!text.includes(unreleased)) throw new Error(`CHANGELOG.md has no line "${unreleased.trim()}"`);
writeFileSync(changelog, text.replace(unreleased, `${unreleased}\n- Protocol: ${why}\n`));
