// Run where there is a store and no daemon: adds, builds, is cancelled; prints what came of it.
import { openDaemon } from "../../../src/nix/daemon/open.ts";
import type { Store } from "../../../src/nix/store.ts";
import { addAll } from "../../contract/store/tools.ts";
import { derivation } from "../../fakes/make-path.ts";

const [builds, sleeps] = ["echo made > $out", `: ${process.argv[2]}; echo up; while :; do /bin/sleep 0.1; done`].map(
  (script, n) => derivation({ name: `single-${n}`, script }),
);
if (!builds || !sleeps) throw new Error("there are two");

const built = async (store: Store, { info }: typeof builds, onLine: () => void) =>
  store.build([{ drv: info.path, outputs: ["out"] }], {}, event => {
    if (event.kind === "result" && event.type === 101) onLine();
  });

const store = await openDaemon();
await addAll(store, [builds, sleeps]);
const [outcome] = await built(store, builds, () => {});
const error = await built(store, sleeps, () => store.close()).catch((thrown: unknown) => thrown);
process.stdout.write(JSON.stringify({ trust: store.trust, status: outcome?.status, error: String(error) }));
