// Makes two hosts, says how to recognise them, and never stops them: for the test that kills it.
import { makeHosts } from "./hosts.ts";
import { traceOf } from "./trace.ts";

const { builder, client } = await makeHosts();
process.stdout.write(`${JSON.stringify([await traceOf(builder), await traceOf(client)])}\n`);
// Not even a test that is itself killed leaves it running.
process.stdin.on("end", () => process.exit()).resume();
