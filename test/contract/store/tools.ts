import assert from "node:assert/strict";
import { Failure } from "../../../src/lib/failure.ts";
import type { PathInfo } from "../../../src/nix/path-info.ts";
import type { NarsOptions, Store } from "../../../src/nix/store.ts";
import type { StorePath } from "../../../src/nix/store-path.ts";
import { itemsOf, type MadePath } from "../../fakes/make-path.ts";

/** Adds these and says what became valid. */
export async function addAll(store: Store, paths: Iterable<MadePath>): Promise<StorePath[]> {
  return collect(store.add(itemsOf(paths)));
}

/** The NARs of these, each whole. */
export async function readAll(store: Store, infos: readonly PathInfo[], options?: NarsOptions): Promise<Buffer[]> {
  const nars: Buffer[] = [];
  for await (const { nar } of store.nars(infos, options)) nars.push(Buffer.concat(await collect(nar)));
  return nars;
}

/** All that a source gives. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

/** A check for `assert.rejects`: a `Failure` with these. */
export function failure(wanted: { code?: string; who?: string; reason?: string; message?: RegExp }) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof Failure, String(error));
    const { message, ...exact } = wanted;
    for (const [key, value] of Object.entries(exact))
      assert.equal(error[key as keyof typeof exact], value, error.message);
    if (message) assert.match(error.message, message);
    return true;
  };
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it succeeded"),
    (error: unknown) => error,
  );
}
