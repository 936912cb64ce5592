import { checkOptions } from "../../src/iroh/check.ts";
import { chooseIroh } from "../../src/iroh/choice.ts";
import type { Endpoint, EndpointOptions } from "../../src/iroh/endpoint.ts";
import { bindAddon } from "../../src/iroh/native/endpoint.ts";
import { bindNumber0 } from "../../src/iroh/number0/endpoint.ts";
import { Failure } from "../../src/lib/failure.ts";

/** An implementation of Iroh under test. */
export type BindingName = "number0" | "native";

/** Why the native addon cannot be tested here, or `undefined`. */
export const whyNoAddon: string | undefined = (() => {
  try {
    addon();
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return `${error.message}: npm run build:native`;
    throw error;
  }
})();

/** Who listens and who connects. */
export interface BindingPair {
  readonly server: BindingName;
  readonly client: BindingName;
}

const native = whyNoAddon === undefined;

/** The same on both ends. */
export const same: Record<BindingName, readonly BindingPair[]> = {
  number0: [{ server: "number0", client: "number0" }],
  native: native ? [{ server: "native", client: "native" }] : [],
};

/** A different one on each end. */
export const mixed: readonly BindingPair[] = native
  ? [
      { server: "number0", client: "native" },
      { server: "native", client: "number0" },
    ]
  : [];

/** Makes an endpoint of one of them, whatever the environment says. */
export async function makeWith(name: BindingName, options: EndpointOptions): Promise<Endpoint> {
  const checked = checkOptions(options);
  return name === "native" ? bindAddon(addon(), checked) : bindNumber0(checked);
}

function addon() {
  const { addon } = chooseIroh({ ...process.env, DRV_THRU_IROH: "native" });
  if (addon === undefined) throw new Error("native was forced");
  return addon;
}
