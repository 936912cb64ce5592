import type { Contestant } from "../peers/peer.ts";
import { medianOf } from "./ratios.ts";
import type { Row } from "./results.ts";
import { show } from "./table.ts";

const COLOURS: readonly (readonly [Contestant, string, string])[] = [
  ["native", "#1b7f5c", "drv-thru, native addon"],
  ["number0", "#7fc7a9", "drv-thru, @number0/iroh"],
  ["ssh-ng", "#c0563f", "ssh-ng builder"],
  ["store", "#e0a458", "--store ssh-ng, nix copy"],
  ["seed", "#6c6f93", "the earlier program"],
];
const WIDTH = 960;
const LABELS = 330;
const BARS = 500;
const BAR = 12;
const GAP = 12;
const TOP = 56;

/** The seconds of each workload as bars, as an SVG: of each the slowest is as long as all others' slowest. The same rows give the same bytes. */
export function chart(rows: readonly Row[]): string {
  let y = TOP;
  const groups = rows.flatMap(row => {
    const bars = COLOURS.flatMap(([who, colour]) => {
      const seconds = medianOf(row, who, run => run.seconds);
      return seconds === undefined || Number.isNaN(seconds) ? [] : [{ colour, seconds }];
    });
    if (bars.length === 0) return [];
    const top = y;
    y += bars.length * BAR + GAP;
    return [
      group(
        row,
        bars,
        medianOf(row, "local", run => run.seconds),
        top,
      ),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" font-family="sans-serif" font-size="11">`,
    "<title>Seconds of each workload, by contestant</title>",
    `<rect width="${WIDTH}" height="${y}" fill="#ffffff"/>`,
    `<text x="8" y="18" font-size="14" font-weight="bold">Seconds of the whole command, shorter is better</text>`,
    legend(),
    ...groups,
    "</svg>\n",
  ].join("\n");
}

interface Bar {
  readonly colour: string;
  readonly seconds: number;
}

/** The line in a group is what its building and evaluating takes by itself. */
function group(row: Row, bars: readonly Bar[], local: number | undefined, top: number): string {
  const scale = BARS / Math.max(...bars.map(({ seconds }) => seconds), 0.001);
  const middle = top + (bars.length * BAR) / 2 + 4;
  const drawn = bars.map(({ colour, seconds }, n) => {
    const at = top + n * BAR;
    const length = seconds * scale;
    const label = `<text x="${fixed(LABELS + length + 4)}" y="${at + 9}">${show(seconds, 2)}</text>`;
    return `<rect x="${LABELS}" y="${at}" width="${fixed(length)}" height="${BAR - 2}" fill="${colour}"/>${label}`;
  });
  const x = local === undefined ? undefined : LABELS + Math.min(local * scale, BARS);
  const line = `<line x1="${fixed(x ?? 0)}" x2="${fixed(x ?? 0)}" y1="${top - 2}" y2="${top + bars.length * BAR}" stroke="#222222" stroke-dasharray="2 2"/>`;
  const label = `<text x="${LABELS - 8}" y="${middle}" text-anchor="end">${escaped(shortened(`${row.id}: ${row.title}`))}</text>`;
  return [label, ...drawn, ...(x === undefined ? [] : [line])].join("\n");
}

function legend(): string {
  const items = COLOURS.map(([, colour, name], n) => {
    const x = 8 + n * 175;
    return `<rect x="${x}" y="28" width="10" height="10" fill="${colour}"/><text x="${x + 14}" y="37">${escaped(name)}</text>`;
  });
  return [...items, `<text x="${8 + 5 * 175}" y="37">┆ local</text>`].join("\n");
}

function shortened(text: string): string {
  return text.length > 56 ? `${text.slice(0, 55)}…` : text;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
