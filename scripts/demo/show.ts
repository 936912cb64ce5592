import { once } from "node:events";
import type { Host, HostProcess } from "../../test/hosts/host.ts";
import type { Ended } from "../../test/hosts/process.ts";

const colours = process.stdout.isTTY === true && !process.env["NO_COLOR"];
const bold = (text: string) => (colours ? `\x1b[1m${text}\x1b[0m` : text);

/** Says something about what is shown. */
export function tell(text: string): void {
  process.stdout.write(`\n${text}\n`);
}

/** Where a command is shown to run: a host, and what its prompt reads. */
export interface Shell {
  readonly host: Host;
  readonly prompt: string;
  readonly user?: string;
  readonly cwd?: string;
}

/** Starts a command line as its user would type it, and shows it and all it prints as it comes. */
export function type({ host, prompt, user, cwd }: Shell, line: string): HostProcess {
  process.stdout.write(`\n${bold(`${prompt}$ ${line}`)}\n`);
  const running = host.spawn(["sh", "-c", line], { ...(user && { user }), ...(cwd && { cwd }) });
  for (const stream of [running.stdout, running.stderr]) stream.on("data", text => process.stdout.write(text));
  return running;
}

/** Runs a command line to its end, which must be this exit code. */
export async function run(shell: Shell, line: string, status = 0): Promise<Ended> {
  const running = type(shell, line);
  running.stdin.end();
  const ended = await running.ended;
  if (status !== 0) process.stdout.write(`(exit code ${ended.status})\n`);
  if (ended.status !== status) throw new Error(`"${line}" ended with ${ended.status}, not ${status}`);
  return ended;
}

/** Settles, with a rejection, at the first signal that asks us to end. */
export async function interrupted(): Promise<never> {
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"].map(name => once(process, name).then(() => name));
  throw new Interrupted(await Promise.race(signals));
}

/** Somebody pressed Ctrl-C, or closed the terminal. */
export class Interrupted extends Error {}
