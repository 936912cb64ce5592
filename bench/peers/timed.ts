import { readFileSync } from "node:fs";
import type { Host } from "../../test/hosts/host.ts";
import { hostCpu } from "./host-cpu.ts";
import type { Measured } from "./peer.ts";

/** Where things are measured: all of a command's work is done on these two. */
export interface Pair {
  readonly builder: Host;
  readonly client: Host;
}

/**
 * By the shell's own clock on the host, so that entering the host is not counted. Our program keeps what Node compiles of it by itself; the hosts' way
 * to do so for the tests is not what people have.
 */
const TIMED = ["bash", "-c", 'unset NODE_COMPILE_CACHE; TIMEFORMAT="%3R %3U %3S"; time "$@"', "bash"];

/** Runs a command of the client to its end and says what it cost. Throws with what it wrote if it fails. */
export async function timed(
  { builder, client }: Pair,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Measured> {
  const cpuSeconds = () => hostCpu(builder) + hostCpu(client);
  const [cpu, wire] = [cpuSeconds(), wireBytes(client)];
  const ended = await client.run([...TIMED, ...argv], { env });
  if (ended.status !== 0) throw new Error(`${argv.join(" ")} failed:\n${ended.stdout}${ended.stderr.slice(-4000)}`);
  const [seconds = Number.NaN, user = 0, system = 0] = (/([0-9. ]+)\n$/.exec(ended.stderr)?.[1] ?? "")
    .trim()
    .split(" ")
    .map(Number);
  return {
    seconds,
    // The command itself was waited for outside of its host.
    cpuSeconds: cpuSeconds() - cpu + user + system,
    wireMib: (wireBytes(client) - wire) / 2 ** 20,
  };
}

/** Bytes that passed all of a host's network devices but its loopback, both ways. */
export function wireBytes(host: Host): number {
  const lines = readFileSync(`/proc/${host.firstPid}/net/dev`, "utf8").split("\n").slice(2);
  const counts = lines.map(line => line.trim().split(/[: ]+/));
  return counts.reduce((sum, [name, received, ...rest]) => {
    return name === "lo" || name === "" ? sum : sum + Number(received) + Number(rest[7]);
  }, 0);
}
