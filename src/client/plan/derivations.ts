import { Failure } from "../../lib/failure.ts";
import {
  type Derivation,
  derivationKind,
  MAX_DERIVATION,
  parseDerivation,
  requiredSystemFeatures,
} from "../../nix/derivation.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import type { NarItem, Store } from "../../nix/store.ts";
import { isDerivationPath, type StorePath } from "../../nix/store-path.ts";

/** What a build needs to know of a derivation; the rest of it may be large. */
export interface DerivationSummary {
  readonly drv: StorePath;
  readonly outputs: ReadonlyMap<string, StorePath>;
  readonly system: string;
  readonly features: ReadonlySet<string>;
  /** Whether its outputs may come from a substituter. */
  readonly substitutable: boolean;
}

/** A NAR of one plain file: everything before its bytes. */
const FILE_HEAD = 96;

/** Reads the derivations of a closure. Throws a `Failure` that names the first which cannot be built elsewhere. */
export async function readDerivations(
  store: Store,
  closure: readonly PathInfo[],
): Promise<Map<StorePath, DerivationSummary>> {
  const drvs = closure.filter(info => isDerivationPath(info.path));
  const tooLong = drvs.find(info => info.narSize > MAX_DERIVATION);
  if (tooLong) throw new Failure("failed", "nix", `${tooLong.path} is larger than 64 MiB`);
  const found = new Map<StorePath, DerivationSummary>();
  for await (const item of store.nars(drvs)) found.set(item.info.path, summarize(item.info.path, await readFile(item)));
  return found;
}

async function readFile(item: NarItem): Promise<Uint8Array> {
  const nar = Buffer.alloc(item.info.narSize);
  let length = 0;
  for await (const chunk of item.nar) {
    nar.set(chunk.subarray(0, nar.length - length), length);
    length += chunk.length;
  }
  const size = nar.length < FILE_HEAD ? -1n : nar.readBigUInt64LE(FILE_HEAD - 8);
  if (size < 0n || size > BigInt(nar.length - FILE_HEAD)) {
    throw new Failure("failed", "nix", `${item.info.path} is not a plain file`);
  }
  return nar.subarray(FILE_HEAD, FILE_HEAD + Number(size));
}

function summarize(drv: StorePath, file: Uint8Array): DerivationSummary {
  const derivation = parse(drv, file);
  const kind = derivationKind(derivation);
  if (kind !== "input-addressed" && kind !== "fixed") throw cannot(drv, KINDS[kind]);
  const outputs = [...derivation.outputs].flatMap(([name, output]) =>
    "path" in output ? [[name, output.path] as const] : [],
  );
  return {
    drv,
    outputs: new Map(outputs),
    system: derivation.system,
    features: requiredSystemFeatures(derivation),
    substitutable: !derivation.env.has("allowSubstitutes") || derivation.env.get("allowSubstitutes") === "1",
  };
}

const KINDS = {
  floating: "is content-addressed: the paths of its outputs are not known before it is built",
  deferred: "depends on a content-addressed derivation, so its output paths are not known before that is built",
  impure: "is impure: it may give another result each time",
} as const;

function parse(drv: StorePath, file: Uint8Array): Derivation {
  try {
    return parseDerivation(file);
  } catch (cause) {
    if (cause instanceof Failure && cause.reason === "dynamic-derivation")
      throw cannot(drv, "is a dynamic derivation", cause);
    throw cause;
  }
}

function cannot(drv: StorePath, why: string, cause?: unknown): Failure {
  return new Failure("failed", "this machine", `${drv} ${why}`, {
    reason: "cannot-build-remotely",
    fix: `such derivations cannot be built remotely yet; build it here: nix build '${drv}^*'`,
    cause,
  });
}
