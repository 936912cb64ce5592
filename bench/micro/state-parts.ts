import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openState } from "../../src/state/open.ts";
import { id, keyOwner, request, ticket } from "../../test/state/samples.ts";
import type { Part } from "./rate.ts";

/** The parts that write to disk, and what removes their folder. */
export async function stateParts(): Promise<{ readonly parts: Part[]; end(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-bench-"));
  const state = await openState(folder);
  await Promise.all(Array.from({ length: 1000 }, (_, n) => state.createTicket(ticket(n))));
  const file = openSync(join(folder, "bare"), "w");
  const block = Buffer.alloc(4096);
  let builds = 0;
  const reserve = async () => {
    builds += 1;
    await state.reserve(request(builds, keyOwner(1)), 1);
    return 1;
  };
  const sync = () => {
    writeSync(file, block, 0, block.length, 0);
    fdatasyncSync(file);
    return 1;
  };
  const reads = new Map(Array.from({ length: 1000 }, (_, n) => [id.ticket(n), ticket(n)] as const));
  let next = 0;
  const nextId = () => {
    next = (next + 1) % 1000;
    return id.ticket(next);
  };
  const parts: Part[] = [
    {
      name: "LMDB: a use reserved, on disk",
      unit: "writes",
      ours: reserve,
      limit: sync,
      limitName: "4 KiB written and synced",
    },
    {
      name: "LMDB: a ticket read, of 1,000",
      unit: "reads",
      ours: () => Number(state.ticket(nextId()) !== undefined),
      limit: () => Number(reads.get(nextId()) !== undefined),
      limitName: "a map in memory",
    },
  ];
  const end = async () => {
    closeSync(file);
    await state.close();
    rmSync(folder, { recursive: true });
  };
  return { parts, end };
}
