import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Host, HostProcess } from "../../test/hosts/host.ts";
import type { Ended } from "../../test/hosts/process.ts";

const colours = process.stdout.isTTY === true && !process.env["NO_COLOR"];
const dim = (text: string) => (colours ? `\x1b[2m${text}\x1b[0m` : text);
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

function start({ host, prompt, user, cwd }: Shell, argv: readonly string[], shown: string): HostProcess {
  process.stdout.write(`\n${bold(`${prompt}$ ${shown}`)}\n`);
  return host.spawn(argv, { ...(user && { user }), ...(cwd && { cwd }) });
}

/** Starts a command that goes on while others run: each line that it prints is marked with the name of its machine. */
export function background(shell: Shell, line: string): HostProcess {
  const running = start(shell, line.split(" "), `${line} &`);
  const mark = `${shell.prompt.split("@")[1]} | `;
  for (const stream of [running.stdout, running.stderr]) {
    createInterface(stream).on("line", text => process.stdout.write(`${dim(mark + text)}\n`));
  }
  return running;
}

/** Runs a command line as its user would type it, shows all it prints as it comes, and takes no other exit code than this. */
export async function run(shell: Shell, line: string, status = 0): Promise<Ended> {
  const running = start(shell, ["sh", "-c", line], line);
  for (const stream of [running.stdout, running.stderr]) stream.on("data", text => process.stdout.write(text));
  running.stdin.end();
  const ended = await running.ended;
  if (status !== 0 && ended.status !== undefined) process.stdout.write(`(exit code ${ended.status})\n`);
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
