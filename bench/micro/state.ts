// What a build, the status and the list of tickets cost in LMDB with a history behind them, and without.
// usage: node bench/micro/state.ts [--tickets 10000] [--builds 100000] [--runs 200]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openState } from "../../src/state/open.ts";
import type { State } from "../../src/state/state.ts";
import { databaseWith, type History } from "../../test/state/history.ts";
import { end, id, keyOwner, request, ticket, ticketOwner } from "../../test/state/samples.ts";

const MINE = 10_000_000;

/** Median of the milliseconds that each of these takes. */
type Costs = Record<string, number>;

async function median(runs: number, work: (run: number) => unknown): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const begun = performance.now();
    await work(run);
    times.push(performance.now() - begun);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(runs / 2)] ?? 0;
}

async function measure(history: History, runs: number): Promise<Costs> {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-bench-state-"));
  try {
    await databaseWith(folder, history).close();
    const begun = performance.now();
    const state = await openState(folder);
    const costs: Costs = { "open at the start": performance.now() - begun };
    Object.assign(costs, await ofState(state, history, runs));
    await state.close();
    return costs;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function ofState(state: State, { builds }: History, runs: number): Promise<Costs> {
  await state.createTicket(ticket(MINE, { uses: undefined, createdAt: MINE, expiresAt: 2 * MINE }));
  const mine = (run: number) => id.build(MINE + run);
  return {
    "redeem (reserve, on disk)": await median(runs, run =>
      state.reserve(request(MINE + run, ticketOwner(MINE, 9)), MINE + run),
    ),
    "commit, on disk": await median(runs, run => state.commit(mine(run), MINE + run)),
    "end and forget the oldest": await median(runs, async run => {
      await state.finish(mine(run), end(MINE + run));
      await state.forget(builds);
    }),
    "status: the last 20": await median(runs, () => state.recent(20)),
    "status of a guest: the last 40": await median(runs, () => state.buildsOf(keyOwner(1), 40)),
    "ticket by the beginning of its id": await median(runs, () => state.ticketsByPrefix(id.ticket(MINE), 5)),
    "list of all tickets": await median(5, () => [...state.tickets()].length),
  };
}

const { values } = parseArgs({
  options: {
    tickets: { type: "string", default: "10000" },
    builds: { type: "string", default: "100000" },
    runs: { type: "string", default: "200" },
  },
});
const history = { tickets: Number(values.tickets), builds: Number(values.builds) };
const runs = Number(values.runs);
// As good as nothing: what is compared must be there.
const little: History = { tickets: 1, builds: 100 };
// Before it is measured, so that no compiling is.
await measure(little, runs);
const empty = Object.entries(await measure(little, runs));
const full = Object.entries(await measure(history, runs));
console.log(
  `| median ms | 1 ticket, 100 builds | ${history.tickets} tickets, ${history.builds} builds | ratio |\n|---|---|---|---|`,
);
for (const [index, [what, milliseconds]] of full.entries()) {
  const before = empty[index]?.[1] ?? 0;
  const cells = [what, before.toFixed(3), milliseconds.toFixed(3), (milliseconds / before).toFixed(2)];
  console.log(`| ${cells.join(" | ")} |`);
}
