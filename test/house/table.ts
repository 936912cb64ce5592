import { rooms } from "./rooms.ts";

/** The rooms as the table that `docs/architecture.md` holds. */
export function roomsAsTable(): string {
  const lines = Object.entries(rooms).map(([name, { is, may, oneFile, bans }]) => {
    const folder = name.endsWith(".ts") ? name : `${name}/`;
    const allowed = [...may, ...(oneFile ? [`${oneFile.room} (in \`${oneFile.file}\` alone)`] : [])].join(", ");
    return `| \`${folder}\` | ${is} | ${allowed || "nothing"} | ${reasons(bans)} |`;
  });
  return ["| room | what it is | may import | must not import |", "|---|---|---|---|", ...lines].join("\n");
}

/** The bans with their reasons, those of one reason together. */
function reasons(bans: Readonly<Record<string, string>>): string {
  const byReason = Map.groupBy(Object.keys(bans), name => bans[name] ?? "");
  if (byReason.size === 0) return "all else: it is an entry, and hands on";
  return [...byReason].map(([reason, names]) => `${names.join(", ")}: ${reason}`).join("; ");
}
