import { after, before, suite, test } from "node:test";
import type { Store } from "../../src/nix/store.ts";
import { adding } from "./store/adding.ts";
import { building } from "./store/building.ts";
import { ending } from "./store/ending.ts";
import { queries } from "./store/queries.ts";
import { reading } from "./store/reading.ts";
import type { StoreWorld } from "./store/world.ts";

/** The contract of `Store`: the daemon's client and the fake both run it. */
export function storeContract(name: string, start: () => Promise<StoreWorld>, skip: string | false = false): void {
  suite(`${name} is a store`, { skip }, () => {
    let world: StoreWorld;
    let store: Store;
    const use = (what: string, body: (store: Store, world: StoreWorld) => Promise<void>) =>
      test(what, async () => {
        store = await world.open();
        try {
          await body(store, world);
        } finally {
          store.close();
        }
      });
    before(async () => {
      world = await start();
    });
    after(async () => {
      await world?.close();
    });
    queries(use);
    adding(use);
    reading(use);
    building(use);
    ending(use);
  });
}
