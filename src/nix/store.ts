import type { PathInfo } from "./path-info.ts";
import type { StorePath } from "./store-path.ts";

/**
 * One conversation with a Nix store. The daemon client and the fake of the tests both implement it and run `test/contract/store.ts`.
 *
 * A store does one thing at a time, in the order of the calls; use several for parallel work. Temporary roots last until {@link close}.
 * Errors are `Failure`s with `who: "nix"`; after one whose `reason` is `connection-lost` the store is of no use any more.
 */
export interface Store {
  /** Nix's version, or empty if it does not say. */
  readonly nixVersion: string;
  /** Whether the daemon trusts this user; `unknown` before protocol 1.35. */
  readonly trust: "trusted" | "untrusted" | "unknown";
  /** Which of these are valid. One round trip. With `substitute` the daemon first fetches what it can. */
  validPaths(paths: readonly StorePath[], options?: { substitute?: boolean }): Promise<Set<StorePath>>;
  /** The info of each path, `undefined` where it is not valid, in the order asked. Pipelined. */
  pathInfos(paths: readonly StorePath[]): Promise<(PathInfo | undefined)[]>;
  /** The infos of the closure of these paths, references before those that refer to them. Throws if one is not valid. */
  closure(paths: readonly StorePath[]): Promise<PathInfo[]>;
  /** Keeps paths, also such as do not exist yet, from the garbage collector until this store is closed. Pipelined. */
  addTempRoots(paths: readonly StorePath[]): Promise<void>;
  /** Makes the absolute path of a symlink an indirect root. */
  addIndirectRoot(link: string): Promise<void>;
  /**
   * The NARs of these valid paths, in order, requests pipelined. Each item's bytes must be consumed to their end before the next item is asked for.
   * They are exactly as many as the info says, and have its hash, unless that is left to whoever gets them: else the last read of an item throws.
   * An error here, and leaving before the end, end the store: the bytes on their way cannot be called back.
   */
  nars(infos: readonly PathInfo[], options?: NarsOptions): AsyncIterable<NarItem>;
  /**
   * Adds paths whose references are valid or earlier in the sequence, pipelined. Yields each path once it is valid.
   * An item whose bytes end early, are too many or throw is not added; after it, as after one that Nix refuses, nothing more is taken from the
   * sequence and the error is thrown, and the store is still of use. Leaving before the end ends the store. Chunks must not change once given.
   */
  add(items: AsyncIterable<NarItem>, options?: AddOptions): AsyncIterable<StorePath>;
  /** Builds. Events come as they happen. Resolves with a result for each target, also when builds fail. {@link close} cancels. */
  build(
    targets: readonly DerivedPath[],
    options: StoreBuildOptions,
    onEvent: (event: StoreEvent) => void,
  ): Promise<TargetOutcome[]>;
  /** What a build of these would do. */
  queryMissing(targets: readonly DerivedPath[]): Promise<MissingPaths>;
  /** Where the outputs of valid derivations are or will be, in the order asked, without a round trip for each; `undefined` where that is not known. */
  outputPaths(drvs: readonly StorePath[]): Promise<Map<string, StorePath | undefined>[]>;
  /** Ends the conversation at once. Whatever is under way is cancelled, its processes are killed. May be repeated. */
  close(): void;
}

/** Opens a {@link Store}: for a daemon, connects and shakes hands. */
export type OpenStore = (signal?: AbortSignal) => Promise<Store>;

/** How NARs are read. */
export interface NarsOptions {
  /** Whether their hashes are checked. Default true; false where whoever gets the bytes proves them: a hash is a fifth of the work of reading. */
  readonly checkHash?: boolean;
}

/** A path and its NAR. */
export interface NarItem {
  readonly info: PathInfo;
  readonly nar: AsyncIterable<Uint8Array>;
}

/** How paths are added. */
export interface AddOptions {
  /** Ask the daemon to take unsigned paths: it honours that for users it trusts. Default false. */
  readonly dontCheckSignatures?: boolean;
}

/** Outputs of a derivation to build. */
export interface DerivedPath {
  readonly drv: StorePath;
  /** Names of outputs, at least one. */
  readonly outputs: readonly string[];
}

/** How to build. */
export interface StoreBuildOptions {
  readonly keepGoing?: boolean;
  /** Build what is valid again and compare. */
  readonly check?: boolean;
  /** Keep the folders of builds that fail; of a check that differs, also the output, beside the first with `.check` at the end of its path. */
  readonly keepFailed?: boolean;
  /** Longest time of one derivation in seconds. */
  readonly timeoutSeconds?: number;
  /** Derivations built at once. A daemon cannot be told "as configured", so pass what its `max-jobs` says. Default: the number of cores. */
  readonly maxJobs?: number;
  /** Cores that each may use, 0 for all: its `cores`. Default 0. */
  readonly cores?: number;
  /** Longest silence of one derivation in seconds, 0 for any: its `max-silent-time`. Default 0. */
  readonly maxSilentSeconds?: number;
}

/** What a daemon says while it works, as in its protocol: `docs/architecture.md` lists the numbers that are used. */
export type StoreEvent =
  | {
      readonly kind: "start";
      readonly activity: bigint;
      readonly type: number;
      readonly text: string;
      readonly fields: readonly (bigint | string)[];
      readonly parent: bigint;
    }
  | { readonly kind: "stop"; readonly activity: bigint }
  | {
      readonly kind: "result";
      readonly activity: bigint;
      readonly type: number;
      readonly fields: readonly (bigint | string)[];
    }
  | { readonly kind: "message"; readonly text: string };

/** How a target ended: Nix's own build statuses. */
export interface TargetOutcome {
  readonly drv: StorePath;
  readonly status: BuildStatus;
  /** Nix's message; may hold terminal escapes. Empty on success. */
  readonly message: string;
}

/** Nix's build statuses by name. The first three and the last are success. */
export type BuildStatus =
  | "built"
  | "substituted"
  | "already-valid"
  | "permanent-failure"
  | "input-rejected"
  | "output-rejected"
  | "transient-failure"
  | "cached-failure"
  | "timed-out"
  | "misc-failure"
  | "dependency-failed"
  | "log-limit-exceeded"
  | "not-deterministic"
  | "no-substituters"
  | "resolves-to-already-valid";

/** What a build would do. */
export interface MissingPaths {
  readonly willBuild: Set<StorePath>;
  readonly willSubstitute: Set<StorePath>;
  readonly unknown: Set<StorePath>;
}
