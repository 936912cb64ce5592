import { readFileSync } from "node:fs";
import type { Host } from "../../test/hosts/host.ts";
import type { Measured } from "./peer.ts";

/** By the shell's own clock on the host, so that entering the host is not counted. */
const TIMED = ["bash", "-c", 'TIMEFORMAT="%3R"; time "$@"', "bash"];

/** Runs a command of a host to its end and says what it cost. Throws with what it wrote if it fails. */
export async function timed(host: Host, argv: readonly string[], env: Readonly<Record<string, string>>) {
  const [cpu, wire] = [busySeconds(), wireBytes(host)];
  const ended = await host.run([...TIMED, ...argv], { env });
  if (ended.status !== 0) throw new Error(`${argv.join(" ")} failed:\n${ended.stdout}${ended.stderr.slice(-4000)}`);
  const seconds = Number(/([0-9.]+)\n$/.exec(ended.stderr)?.[1]);
  return {
    seconds,
    machineCpu: busySeconds() - cpu,
    wireMib: (wireBytes(host) - wire) / 2 ** 20,
  } satisfies Measured;
}

/** Seconds that this machine's cores were not idle, since it started. */
function busySeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , interrupts = 0, soft = 0] = readFileSync("/proc/stat", "utf8")
    .split("\n", 1)
    .flatMap(line => line.split(/ +/).map(Number));
  return (user + nice + system + interrupts + soft) / 100;
}

/** Bytes that passed all of a host's network devices but its loopback, both ways. */
export function wireBytes(host: Host): number {
  const lines = readFileSync(`/proc/${host.firstPid}/net/dev`, "utf8").split("\n").slice(2);
  const counts = lines.map(line => line.trim().split(/[: ]+/));
  return counts.reduce((sum, [name, received, ...rest]) => {
    return name === "lo" || name === "" ? sum : sum + Number(received) + Number(rest[7]);
  }, 0);
}
