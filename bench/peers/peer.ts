/** Who does the work, in the order of the tables. */
export const CONTESTANTS = ["local", "native", "number0", "ssh-ng", "store", "seed"] as const;

/**
 * `local`: the client's own Nix; `native`, `number0`: drv-thru with that Iroh at both ends; `ssh-ng`: Nix's remote builder, as its daemon is configured;
 * `store`: `nix build --store ssh-ng://…`, then `nix copy` of the outputs; `seed`: another program with the same command line.
 */
export type Contestant = (typeof CONTESTANTS)[number];

/** What one of our processes needed. */
export interface Needed {
  /** Peak of resident memory. */
  readonly mib: number;
  /** Of all its threads. */
  readonly cpuSeconds: number;
}

/** What one run cost. */
export interface Measured {
  /** The whole command, in seconds; not a number where there was none. */
  readonly seconds: number;
  /** CPU seconds of all processes of both hosts, Nix's daemons and ssh's among them. */
  readonly cpuSeconds: number;
  /** MiB that passed the client's network, both ways. */
  readonly wireMib: number;
  readonly client?: Needed;
  readonly builder?: Needed;
  /** What else a workload finds out, by its name. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** Something to build, laid in a folder of the client: `job.nix`, and a `flake.nix` that hands it on. */
export interface Job {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** One way to get a job's outputs into the client's store. */
export interface Peer {
  /** Builds a job from beginning to end. Throws what went wrong. */
  build(job: Job): Promise<Measured>;
}
