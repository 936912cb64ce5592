// The parts of the program one by one, each beside its own limit. usage: node bench/micro/parts.ts [WORD]... takes those whose name has one of the words
import { availableParallelism } from "node:os";
import { markdown, show } from "../report/table.ts";
import { pathParts } from "./path-parts.ts";
import { measurePart } from "./rate.ts";
import { stateParts } from "./state-parts.ts";
import { streamParts } from "./stream-parts.ts";

const words = process.argv.slice(2).map(word => word.toLowerCase());
const others = [...(await streamParts()), ...pathParts()];
const state = await stateParts();
try {
  const all = [...others, ...state.parts];
  const chosen =
    words.length === 0 ? all : all.filter(({ name }) => words.some(word => name.toLowerCase().includes(word)));
  const lines = [];
  for (const part of chosen) {
    const { ours, limit, ratio } = await measurePart(part);
    const rate = (value: number) => show(value, value < 100 ? 1 : 0);
    const ratios = [show(ratio.clock, 2), show(ratio.cpu, 2)];
    lines.push([part.name, `${part.unit}/s`, rate(ours.clock), rate(limit.clock), ...ratios, part.limitName]);
  }
  const head = ["part", "", "ours", "limit", "ours : limit", "of CPU time", "the limit is"];
  process.stdout.write(`Node ${process.version}, ${availableParallelism()} cores\n\n${markdown([head, ...lines])}\n`);
} finally {
  await state.end();
}
