import type { Does } from "../../contract/store/world.ts";
import { storeContract } from "../../contract/store.ts";
import { derivation, type MadeDerivation } from "../../fakes/make-path.ts";
import { noDaemon, startDaemon } from "./host.ts";

const DOES: Readonly<Record<Does, string>> = {
  succeed: "echo made > $out",
  fail: "exit 3",
  sleep: "while :; do /bin/sleep 1; done",
};

storeContract(
  "a Nix daemon",
  async () => {
    const daemon = await startDaemon();
    return {
      open: () => daemon.open(),
      derivation: (name: string, does: Does, inputs: readonly MadeDerivation[] = []) =>
        derivation({ name, script: `echo hello from ${name}; ${DOES[does]}`, inputs }),
      close: () => daemon.close(),
    };
  },
  noDaemon,
);
