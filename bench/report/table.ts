import { CONTESTANTS, type Contestant, type Measured } from "../peers/peer.ts";
import { goodRuns, medianOf, ratio, ratioBeyond, wireRate } from "./ratios.ts";
import type { Row } from "./results.ts";

const NAMES: Readonly<Record<Contestant, string>> = {
  local: "of it building and evaluating",
  native: "drv-thru, native addon",
  number0: "drv-thru, @number0/iroh",
  "ssh-ng": "ssh-ng builder",
  store: "--store ssh-ng, nix copy",
  seed: "the earlier program",
};

/** Cells as a Markdown table, the first line its head. */
export function markdown(lines: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = lines;
  return [head, head.map(() => "---"), ...rest].map(cells => `| ${cells.join(" | ")} |`).join("\n");
}

/** A number for people, or a dash. */
export function show(value: number | undefined, digits: number): string {
  return value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits);
}

/** Medians of the seconds of whole commands. */
export function secondsTable(rows: readonly Row[]): string {
  const shown = CONTESTANTS.filter(who => rows.some(row => row.runs[who]));
  const head = ["seconds", "runs", ...shown.map(who => NAMES[who])];
  return markdown([
    head,
    ...rows.filter(hasSeconds).map(row => {
      const runs = Math.max(...Object.values(row.runs).map(list => list.length), 0);
      return [
        name(row),
        String(runs),
        ...shown.map(who =>
          show(
            medianOf(row, who, run => run.seconds),
            2,
          ),
        ),
      ];
    }),
  ]);
}

/** A row of which nothing went well is shown too. */
function hasSeconds(row: Row): boolean {
  const runs = CONTESTANTS.flatMap(who => goodRuns(row, who));
  return runs.length === 0 || runs.some(run => !Number.isNaN(run.seconds));
}

/** Medians of the ratios of ours to each peer in the same run: of the whole commands, beyond building and evaluating, and of CPU seconds. */
export function ratioTable(rows: readonly Row[]): string {
  const ours = (["native", "number0"] as const).filter(who => rows.some(row => row.runs[who]));
  const peers = (["ssh-ng", "store", "seed"] as const).filter(who => rows.some(row => row.runs[who]));
  const columns = ours.flatMap(who => peers.map(peer => [who, peer] as const));
  const cells = (row: Row) =>
    columns.map(([who, peer]) =>
      [ratio(row, who, peer), ratioBeyond(row, who, peer), ratio(row, who, peer, cpuSecondsOf)]
        .map(value => show(value, 2))
        .join(" / "),
    );
  const head = ["ratio: whole / beyond / CPU", ...columns.map(([who, peer]) => `${who} : ${peer}`)];
  return markdown([
    head,
    ...rows.filter(row => cells(row).some(cell => /\d/.test(cell))).map(row => [row.id, ...cells(row)]),
  ]);
}

/** The highest memory, and medians of CPU seconds and of what passed the network. */
export function needsTable(rows: readonly Row[]): string {
  const head = ["", "client, MiB", "client, CPU s", "builder, MiB", "builder, CPU s"];
  const more = ["both hosts, CPU s", "network, MiB", "network, MB/s beyond local"];
  const lines = rows.flatMap(row => CONTESTANTS.filter(who => row.runs[who]).map(who => needs(row, who)));
  return markdown([[...head, ...more], ...lines]);
}

function needs(row: Row, who: Contestant): string[] {
  const middle = (pick: (run: Measured) => number | undefined, digits: number) =>
    show(medianOf(row, who, pick), digits);
  const side = (which: "client" | "builder") => {
    const known = goodRuns(row, who).flatMap(run => run[which] ?? []);
    const highest = known.length === 0 ? undefined : Math.max(...known.map(({ mib }) => mib));
    return [show(highest, 0), middle(run => run[which]?.cpuSeconds, 2)];
  };
  const network = [middle(run => run.wireMib, 1), show(wireRate(row, who), 0)];
  return [`${row.id} ${who}`, ...side("client"), ...side("builder"), middle(cpuSecondsOf, 2), ...network];
}

function cpuSecondsOf(run: Measured): number {
  return run.cpuSeconds;
}

/** What workloads found out beside times. */
export function figuresTable(rows: readonly Row[]): string | undefined {
  const lines = rows.flatMap(row =>
    CONTESTANTS.flatMap(who => {
      const names = Object.keys(goodRuns(row, who)[0]?.figures ?? {});
      return names.map(name => [
        row.id,
        who,
        name,
        show(
          medianOf(row, who, run => run.figures?.[name]),
          2,
        ),
      ]);
    }),
  );
  return lines.length === 0 ? undefined : markdown([["", "", "figure", "median"], ...lines]);
}

function name({ id, title }: Row): string {
  return `${id}: ${title}`;
}
