import type { BuildTarget } from "./target.ts";

/** What to evaluate and how: the words of `nix build`, handed to one process of the user's own Nix. */
export interface Evaluation {
  /** As for `nix build`; none means `.`, or with `file` or `expr` the whole of it. */
  readonly installables?: readonly string[] | undefined;
  /**
   * `--store`: a folder that holds a store of one's own, or how Nix calls a store on this machine. What is evaluated, valid already and imported is
   * there. Default: the machine's store.
   */
  readonly store?: string | undefined;
  /** `-f`. Excludes `expr`. */
  readonly file?: string | undefined;
  /** `--expr`. */
  readonly expr?: string | undefined;
  readonly impure?: boolean | undefined;
  readonly refresh?: boolean | undefined;
  /** `--override-input NAME URL`. */
  readonly overrideInputs?: readonly (readonly [input: string, url: string])[] | undefined;
  /** `--option NAME VALUE`. */
  readonly nixOptions?: readonly (readonly [name: string, value: string])[] | undefined;
  /** `--arg NAME EXPR`. */
  readonly args?: readonly (readonly [name: string, expr: string])[] | undefined;
  /** `--argstr NAME STRING`. */
  readonly argstrs?: readonly (readonly [name: string, value: string])[] | undefined;
  /** `-I`. */
  readonly include?: readonly string[] | undefined;
  readonly acceptFlakeConfig?: boolean | undefined;
  readonly noUpdateLockFile?: boolean | undefined;
  readonly noWriteLockFile?: boolean | undefined;
  /** The folder in which Nix evaluates and links are made; default the process's own. */
  readonly cwd?: string | undefined;
}

/** A build. */
export interface BuildRequest extends Evaluation {
  /** The builder. May be left out: then the build succeeds only if every output is valid here already. */
  readonly target?: BuildTarget | undefined;
  /** The client key's file; default `$XDG_CONFIG_HOME/drv-thru/secret.key` or `~/.config/drv-thru/secret.key`. */
  readonly clientKeyFile?: string | undefined;
  /** Go on with what can be built after a failure. */
  readonly keepGoing?: boolean | undefined;
  /** Build again on the builder, also what is valid here, and compare. */
  readonly rebuild?: boolean | undefined;
  /** Path of the result link, for example `result`; further outputs get `-1`, `-dev` … as `nix build` does. Default: no link. */
  readonly outLink?: string | undefined;
  /**
   * Streams over which outputs come, 1 or more; more than 16 count as 16. Default 1: one stream carries all paths without a pause between them, and
   * each takes a connection to its Nix from the builder for as long as the download lasts.
   */
  readonly narFetches?: number | undefined;
  /** Cancels, on the builder too. */
  readonly signal?: AbortSignal | undefined;
}
