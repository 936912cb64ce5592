import type { Contestant, Measured } from "../peers/peer.ts";
import type { Setting } from "../setting/setting.ts";
import type { Shape } from "../setting/shaped-link.ts";

/** What a workload's figures are held against; of drv-thru with the native addon where nothing else is said. */
export type Goal =
  /** A ratio of whole commands, or with `beyond` of what is left of both without the time of `local`. */
  | { readonly of?: Contestant; readonly against: Contestant; readonly beyond?: true; readonly atMost: number }
  /** The peak of memory of both our processes, in MiB. */
  | { readonly memoryMib: number }
  /** One of the workload's own figures. */
  | { readonly figure: string; readonly atMost: number };

/** One kind of work, made anew by a salt so that nothing of it is known to either store. */
export interface Workload {
  readonly id: string;
  /** What is in it, with its big paths of so many MiB in all. */
  title(mib: number): string;
  /** MiB of the big paths, 0 if there are none. */
  readonly mib: number;
  /** Who can do it in reasonable time. */
  readonly contestants: readonly Contestant[];
  /** Runs where nobody said how many: a command of a fraction of a second needs some. Default 1. */
  readonly runs?: number;
  /** Not part of a run that names no workloads. */
  readonly onlyWhenNamed?: boolean;
  /** Default: a veth pair. */
  readonly link?: Shape;
  /** There is a second client, over this link. */
  readonly slowLink?: Shape;
  /** Minutes after which a contestant is given up. Default 15. */
  readonly patience?: number;
  readonly goals?: readonly Goal[];
  /** What is laid on new hosts before the first run. */
  lay?(setting: Setting, mib: number): Promise<void>;
  /** One run of one contestant. */
  run(setting: Setting, who: Contestant, mib: number): Promise<Measured>;
}
