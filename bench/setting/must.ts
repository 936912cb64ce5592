import type { Host } from "../../test/hosts/host.ts";

/** Runs a program that has to work, and gives its stdout. */
export async function must(host: Host, argv: readonly string[], user?: string): Promise<string> {
  const ended = await host.run(argv, user === undefined ? {} : { user });
  if (ended.status !== 0)
    throw new Error(`${argv.join(" ")} failed:\n${ended.stdout.slice(-2000)}${ended.stderr.slice(-4000)}`);
  return ended.stdout;
}
