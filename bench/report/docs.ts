import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chart } from "./chart.ts";
import { report } from "./report.ts";
import type { Results } from "./results.ts";

const DOCS = join(import.meta.dirname, "../../docs");
const [BEGIN, END] = ["<!-- begin: written by npm run bench -->", "<!-- end: written by npm run bench -->"];

const CHART = "![Seconds of each workload, by contestant](performance.svg)";

/** Writes the tables between their marks in `docs/performance.md`, and the chart beside it. */
export function writeDocs(results: Results): void {
  const file = join(DOCS, "performance.md");
  writeFileSync(file, withReport(readFileSync(file, "utf8"), `${CHART}\n\n${report(results)}`));
  writeFileSync(join(DOCS, "performance.svg"), chart(results.rows));
}

/** A page with the report in its place. */
export function withReport(page: string, text: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the page has no place for the tables: ${BEGIN} and ${END}`);
  return `${page.slice(0, begin)}${BEGIN}\n${text}\n${page.slice(end)}`;
}
