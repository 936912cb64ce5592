import { openState } from "../../src/state/open.ts";
import { end, id, request, ticket, ticketOwner } from "./samples.ts";

// Run by crash.test.ts: says what is on disk, one word a line, and goes on until it is killed.

const [, , folder = ""] = process.argv;
const state = await openState(folder);
const tell = (line: string) => process.stdout.write(`${line}\n`);

await state.createTicket(ticket(1, { uses: 1_000_000 }));
for (let n = 0; ; n++) {
  await state.reserve(request(n, ticketOwner(1, 1)), n);
  tell(`reserved ${n}`);
  await state.commit(id.build(n), n);
  tell(`committed ${n}`);
  if (n % 2 === 0) {
    await state.finish(id.build(n), end(n));
    tell(`finished ${n}`);
  }
}
