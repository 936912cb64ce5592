import { goalsTable } from "./goals.ts";
import type { Results } from "./results.ts";
import { inOneLine } from "./results.ts";
import { figuresTable, needsTable, ratioTable, secondsTable } from "./table.ts";

/** All of it as Markdown. */
export function report({ machine, absent, rows }: Results): string {
  const failures = rows.flatMap(({ id, failures }) => failures.map(text => `- ${id}, ${inOneLine(text)}`));
  const missing = Object.entries(absent).map(([who, why]) => `- ${who}: ${why}`);
  const sections = [
    [
      `${machine.date}; ${machine.hardware}; ${machine.versions}; load ${machine.load.toFixed(1)} before it began.`,
      `\`${machine.command}\``,
    ].join("\n"),
    secondsTable(rows),
    ratioTable(rows),
    goalsTable(rows),
    figuresTable(rows),
    needsTable(rows),
    failures.length > 0 ? ["Failed:", ...failures].join("\n") : undefined,
    missing.length > 0 ? ["Did not take part:", ...missing].join("\n") : undefined,
  ];
  return sections.filter(section => section !== undefined).join("\n\n");
}
