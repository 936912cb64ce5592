import { availableParallelism } from "node:os";
import type { BuildStatus, DerivedPath, StoreBuildOptions, StoreEvent, TargetOutcome } from "../store.ts";
import type { ByteReader } from "./bytes.ts";
import { type Connection, expectReply } from "./connection.ts";
import { derivedPath } from "./derived-path.ts";
import { encode } from "./encode.ts";
import { protocolError } from "./error.ts";
import { Limit, minorVersion, Op } from "./protocol.ts";

/** Messages up to information; activities come at any verbosity. */
const INFO = 3;
const QUIET = 7;
const MODE = { normal: 0, check: 2 } as const;

/** In the order of Nix's numbers. */
const STATUSES: readonly BuildStatus[] = [
  "built",
  "substituted",
  "already-valid",
  "permanent-failure",
  "input-rejected",
  "output-rejected",
  "transient-failure",
  "cached-failure",
  "timed-out",
  "misc-failure",
  "dependency-failed",
  "log-limit-exceeded",
  "not-deterministic",
  "resolves-to-already-valid",
  "no-substituters",
];

/** Builds these. The daemon interrupts its builders when the connection closes. */
export function build(
  connection: Connection,
  targets: readonly DerivedPath[],
  options: StoreBuildOptions,
  onEvent: (event: StoreEvent) => void,
): Promise<TargetOutcome[]> {
  const paths = targets.map(derivedPath);
  return connection.exclusive(async ({ write, reader }) => {
    await write(setOptions(options), encode(Op.buildPathsWithResults, paths, options.check ? MODE.check : MODE.normal));
    await expectReply(reader, async () => undefined);
    const results = await expectReply(
      reader,
      from => readResults(from, connection.greeting.protocol, targets.length),
      onEvent,
    );
    return targets.map((target, index) => outcome(target, results.get(paths[index] as string)));
  });
}

function setOptions(options: StoreBuildOptions): Buffer {
  const { keepGoing = false, keepFailed = false, timeoutSeconds, maxJobs, cores = 0, maxSilentSeconds = 0 } = options;
  const overrides = timeoutSeconds === undefined ? [] : ["timeout", String(Math.ceil(timeoutSeconds))];
  return encode(
    Op.setOptions,
    keepFailed,
    keepGoing,
    false, // build what cannot be fetched: as `fallback = false`
    INFO,
    // There is no way to say "as configured": these numbers replace those of the daemon's nix.conf.
    maxJobs ?? availableParallelism(),
    maxSilentSeconds,
    1,
    QUIET, // log lines as events, not as text
    0,
    0,
    cores,
    true, // substitutes
    overrides.length / 2,
    ...overrides,
  );
}

interface Result {
  readonly status: BuildStatus;
  readonly message: string;
}

/** Results come in any order, and some not at all: they are found by the path asked for. */
async function readResults(from: ByteReader, protocol: number, max: number): Promise<Map<string, Result>> {
  const results = new Map<string, Result>();
  for (let left = await from.int(max); left > 0; left--) {
    results.set(await from.string(Limit.derivedPath), await readResult(from, protocol));
  }
  return results;
}

async function readResult(from: ByteReader, protocol: number): Promise<Result> {
  const number = await from.int();
  const status = STATUSES[number];
  if (!status) throw protocolError(`the build status ${number}`);
  const message = await from.string(Limit.text);
  await from.big(); // how often built
  await from.bool(); // not deterministic
  await from.big(); // start
  await from.big(); // stop
  if (protocol >= minorVersion(37)) {
    await skipDuration(from); // of the user's code
    await skipDuration(from); // of the system's
  }
  for (let left = await from.int(Limit.items); left > 0; left--) {
    await from.string(Limit.word); // which output
    await from.string(Limit.text); // what became of it
  }
  return { status, message };
}

async function skipDuration(from: ByteReader): Promise<void> {
  if (await from.bool()) await from.big();
}

function outcome(target: DerivedPath, result: Result | undefined): TargetOutcome {
  // Newer daemons leave out what another's failure cancelled; older ones say this status and nothing more.
  if (!result) return { drv: target.drv, status: "misc-failure", message: "cancelled because another build failed" };
  return { drv: target.drv, ...result };
}
