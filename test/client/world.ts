import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { BuildRun } from "../../src/client/build-run.ts";
import type { BuildEvent } from "../../src/client/events.ts";
import type { RunNix } from "../../src/client/plan/nix-process.ts";
import type { BuildReport } from "../../src/client/report.ts";
import type { BuildRequest } from "../../src/client/request.ts";
import { startBuild } from "../../src/client/run/start.ts";
import { Failure } from "../../src/lib/failure.ts";
import type { Store } from "../../src/nix/store.ts";
import { formatTicket } from "../../src/tickets/text.ts";
import type { MadeDerivation, MadePath } from "../fakes/make-path.ts";
import { FakeNix } from "../fakes/nix.ts";
import { FakeBuilder } from "./builder.ts";

/** A client's machine and a builder, in memory. */
export interface World {
  readonly builder: FakeBuilder;
  readonly nix: FakeNix;
  readonly home: string;
  readonly ticket: string;
  /** What this machine's `nix` was asked. */
  readonly nixCalls: (readonly string[])[];
  /** Puts paths into the client's store. */
  seed(...paths: MadePath[]): void;
  /** Builds these, as if Nix had evaluated to them. */
  start(drvs: readonly MadeDerivation[], request?: Partial<BuildRequest>): BuildRun;
  /** Likewise, to the end. */
  build(drvs: readonly MadeDerivation[], request?: Partial<BuildRequest>): Promise<Outcome>;
}

/** What came of a build. */
export interface Outcome {
  readonly events: BuildEvent[];
  readonly report: BuildReport | undefined;
  readonly failure: Failure | undefined;
}

/** How the client's machine is. */
export interface WorldOptions {
  readonly trust?: Store["trust"];
  /** When an evaluation is not quick any more; default: never. */
  readonly notQuick?: () => Promise<void>;
  /** What an evaluation waits for. */
  readonly evaluating?: () => Promise<void>;
  /** Whether the client's Nix trusts the builder's key; default true. */
  readonly trustsKey?: boolean;
}

/** Makes a world that ends with the test. */
export async function makeWorld(
  t: TestContext,
  { trust = "untrusted", trustsKey = true, notQuick = never, evaluating }: WorldOptions = {},
): Promise<World> {
  const builder = new FakeBuilder();
  const trustedKeys = trustsKey ? [builder.key.public] : [];
  const nix = new FakeNix({ trust, trustedKeys });
  const home = await mkdtemp(join(tmpdir(), "drv-thru-client-"));
  t.after(async () => {
    for (const pair of builder.sessions) await pair.close();
    await rm(home, { recursive: true, force: true });
  });
  const secret = Buffer.alloc(32, 7);
  const { endpointId, signingKey } = builder;
  const ticket = formatTicket({ endpointId, relayUrls: [], addresses: ["127.0.0.1:1"], secret, signingKey });
  const nixCalls: (readonly string[])[] = [];
  const start: World["start"] = (drvs, request = {}) => {
    const runNix: RunNix = async args => {
      nixCalls.push(args);
      if (args[0] === "build") await evaluating?.();
      return { exitCode: 0, stdout: answer(args, drvs, trustsKey ? [signingKey] : []), stderr: "" };
    };
    const helperSocket = join(home, "helper.sock");
    const around = {
      openStore: nix.open,
      dial: builder.dial,
      notQuick,
      runNix,
      env: { HOME: home },
      helperSocket,
      wait,
    };
    return startBuild({ target: { ticket }, cwd: home, installables: ["x"], ...request }, around);
  };
  return {
    builder,
    nix,
    home,
    ticket,
    nixCalls,
    seed: (...paths) => nix.seed(...paths),
    start,
    build: async (drvs, request) => await outcomeOf(start(drvs, request)),
  };
}

function answer(args: readonly string[], drvs: readonly MadeDerivation[], keys: readonly string[]): string {
  if (args[0] === "build") return JSON.stringify(drvs.map(drv => ({ drvPath: drv.info.path, outputs: drv.outputs })));
  return JSON.stringify({ "trusted-users": { value: ["root-of-all"] }, "trusted-public-keys": { value: keys } });
}

function never(): Promise<void> {
  return new Promise(() => undefined);
}

async function wait(_milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
}

/** Reads a build to its end. */
export async function outcomeOf(run: BuildRun): Promise<Outcome> {
  const events = await Array.fromAsync(run);
  try {
    return { events, report: await run.result, failure: undefined };
  } catch (error) {
    if (error instanceof Failure) return { events, report: undefined, failure: error };
    throw error;
  }
}

/** The names of events without doubles in a row. */
export function kinds(events: readonly BuildEvent[]): string[] {
  return events.map(event => event.kind).filter((kind, index, all) => kind !== all[index - 1]);
}
