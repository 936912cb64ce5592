import { ABORT, open } from "lmdb";
import { FORMAT } from "./codec.ts";
import { DATABASE } from "./database.ts";
import { Tables } from "./tables.ts";

// Run by probe.ts in a process of its own: lmdb maps its file and trusts what it finds there, so a damaged one may kill whoever reads it.

const [, , path = ""] = process.argv;
try {
  const root = open<unknown, string>({ ...DATABASE, path });
  const format = root.get("format");
  // A newer program's values are not ours to read; whoever opens the state says so.
  if (format === undefined || (typeof format === "number" && format <= FORMAT)) readAll();
  await root.close();

  function readAll(): void {
    const tables = new Tables(root);
    for (const _ of tables.tickets());
    tables.unfinished();
    for (const _ of tables.ended());
    // Only who writes looks for free pages.
    root.transactionSync(() => {
      root.put("probe", 0);
      return ABORT;
    });
  }
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
