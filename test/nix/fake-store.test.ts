import { storeContract } from "../contract/store.ts";
import { derivation } from "../fakes/make-path.ts";
import { FakeNix } from "../fakes/nix.ts";

storeContract("the fake", async () => {
  const nix = new FakeNix();
  return {
    open: () => nix.open(),
    derivation: (name, does, inputs = []) => {
      const drv = derivation({ name, script: does, inputs });
      nix.script(drv.info.path, async build => {
        build.log(`hello from ${name}`);
        if (does === "fail") return { status: "permanent-failure", message: `builder for '${name}.drv' failed` };
        if (does === "sleep") await build.sleep(2 ** 30);
        return undefined;
      });
      return drv;
    },
    close: async () => {},
  };
});
