import { createHash } from "node:crypto";
import { formatContentAddress } from "../../src/nix/content-address.ts";
import type { HashAlgorithm } from "../../src/nix/hash.ts";
import { makeFixedPath } from "../../src/nix/store-path.ts";
import { fileNar, type MadePath, made } from "../fakes/make-path.ts";

/** A file whose content address is of that algorithm, and true. */
export function addressed(algorithm: HashAlgorithm, content: string): MadePath {
  const hash = { algorithm, hex: createHash(algorithm).update(content).digest("hex") };
  const path = makeFixedPath("addressed", "flat", hash);
  if (path === undefined) throw new Error("no path follows from this address");
  return made(path, fileNar(content), [], formatContentAddress({ method: "flat", hash }));
}
