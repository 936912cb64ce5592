import type { Asked } from "./arguments.ts";
import { CONTESTANTS, type Contestant, type Measured } from "./peers/peer.ts";
import { stopAndTakeProfiles } from "./report/profile.ts";
import { inOneLine, type Row } from "./report/results.ts";
import { show } from "./report/table.ts";
import { whyNot } from "./setting/contestants.ts";
import { makeSetting, type Plan, type Setting } from "./setting/setting.ts";
import type { Workload } from "./workloads/workload.ts";

/** Minutes after which a contestant is given up, where its workload says nothing. */
const PATIENCE = 15;

/** What a run cost, or what went wrong. */
interface Tried {
  readonly measured?: Measured;
  readonly failure?: string;
}

/** Runs workloads one after the other, each on hosts of its own, and new ones after whatever went wrong. */
export class Runner {
  /** Who cannot take part, and why. */
  readonly absent: Readonly<Partial<Record<Contestant, string>>>;
  readonly #asked: Asked;
  #setting: Setting | undefined;

  constructor(asked: Asked) {
    this.#asked = asked;
    const reasons = CONTESTANTS.map(who => [who, this.#whyNot(who)] as const);
    this.absent = Object.fromEntries(reasons.filter(([, why]) => why !== undefined));
  }

  /** All runs of a workload. Never throws: what failed is in the row. */
  async row(workload: Workload): Promise<Row> {
    const mib = workload.mib === 0 ? 0 : (this.#asked.mib ?? workload.mib);
    const contestants = workload.contestants.filter(who => this.absent[who] === undefined);
    const row = { id: workload.id, title: workload.title(mib), runs: {}, failures: [] as string[] } satisfies Row;
    const runs: Partial<Record<Contestant, (Measured | undefined)[]>> = row.runs;
    for (let run = 0; run < (this.#asked.runs ?? workload.runs ?? 1); run++) {
      // Nobody is always the first, on caches that are still cold.
      const turn = contestants.map((_, n) => contestants[(n + run) % contestants.length] ?? "local");
      for (const who of turn) {
        const { measured, failure } = await this.#tried(workload, who, mib);
        runs[who] = [...(runs[who] ?? []), measured];
        if (failure !== undefined) row.failures.push(`${who}: ${failure}`);
        const end = measured ? `${show(measured.seconds, 2)} s` : `failed: ${inOneLine(failure ?? "")}`;
        progress(`  ${who.padEnd(8)} ${end}`);
      }
    }
    await this.#end();
    return row;
  }

  /** Ends whatever stands. */
  async stop(): Promise<void> {
    await this.#setting?.stop();
    this.#setting = undefined;
  }

  #whyNot(who: Contestant): string | undefined {
    const { who: asked, seed, profile } = this.#asked;
    if (!asked.includes(who)) return "it was not asked for";
    // A profile of one of the two is enough to read.
    if (profile && who === "number0" && whyNot("native", seed) === undefined) return "profiled is the native addon";
    return whyNot(who, seed);
  }

  async #tried(workload: Workload, who: Contestant, mib: number): Promise<Tried> {
    const minutes = workload.patience ?? PATIENCE;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`not done after ${minutes} minutes`)), minutes * 60_000);
    try {
      const running = this.#measured(workload, who, mib);
      running.catch(() => undefined);
      return { measured: await Promise.race([running, late.promise]) };
    } catch (error) {
      // What stands may be broken, or still at work.
      await this.stop();
      return { failure: error instanceof Error ? error.message : String(error) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #measured(workload: Workload, who: Contestant, mib: number): Promise<Measured> {
    const setting = this.#setting ?? (await this.#make(workload, mib));
    return await workload.run(setting, who, mib);
  }

  async #make(workload: Workload, mib: number): Promise<Setting> {
    const { profile, nodeOptions, seed } = this.#asked;
    const { link, slowLink } = workload;
    const plan: Plan = {
      contestants: workload.contestants.filter(who => this.absent[who] === undefined),
      profile,
      nodeOptions,
      ...(link && { link }),
      ...(slowLink && { slowLink }),
      ...(seed !== undefined && { seed }),
    };
    const setting = await makeSetting(plan);
    this.#setting = setting;
    await workload.lay?.(setting, mib);
    return setting;
  }

  async #end(): Promise<void> {
    try {
      if (this.#asked.profile && this.#setting) progress(await stopAndTakeProfiles(this.#setting));
    } finally {
      await this.stop();
    }
  }
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
