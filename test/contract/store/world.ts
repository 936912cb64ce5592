import type { Store } from "../../../src/nix/store.ts";
import type { MadeDerivation } from "../../fakes/make-path.ts";

/** What the build of a derivation does: print `hello from NAME` and succeed, print it and fail, or print it and never end. */
export type Does = "succeed" | "fail" | "sleep";

/** A machine whose Nix does not trust us, on which a suite runs. */
export interface StoreWorld {
  open(): Promise<Store>;
  /** Makes a derivation, not yet valid; its inputs must be added before it. */
  derivation(name: string, does: Does, inputs?: readonly MadeDerivation[]): MadeDerivation;
  close(): Promise<void>;
}

/** Declares a test on a store of its own. */
export type Use = (what: string, body: (store: Store, world: StoreWorld) => Promise<void>) => void;
