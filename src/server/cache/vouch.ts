import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { parseContentAddress } from "../../nix/content-address.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { type PublicKey, type SecretKey, signPath } from "../../nix/signing-key.ts";
import { trustedSignatures } from "../admission.ts";
import { refuse } from "../refusal.ts";
import type { BuiltPaths } from "./built-paths.ts";

/** Whom the builder believes about a path, and with what it signs. */
export interface Voucher {
  readonly key: SecretKey;
  readonly trustedKeys: readonly PublicKey[];
  readonly built: BuiltPaths;
}

/**
 * The info as it goes to a client. Signed are paths that this machine's Nix built, that builds of ours made, or that carry a signature of a key that
 * this machine's Nix trusts, which is passed on too. Content-addressed paths prove themselves. Throws a refusal for anything else.
 */
export function vouched(info: PathInfo, { key, trustedKeys, built }: Voucher): PathInfo {
  const signatures = trustedSignatures(info, trustedKeys);
  const { path, narHash, narSize, references, ca, deriver } = info;
  const plain = { path, narHash, narSize, references, ...(ca !== undefined && { ca }), ...(deriver && { deriver }) };
  if (info.ultimate === true || signatures.length > 0 || built.has(info)) {
    const own = signPath(info, key);
    return { ...plain, signatures: [own, ...signatures.filter(text => text !== own)] };
  }
  if (ca !== undefined && parseContentAddress(ca).method !== "unknown") return { ...plain, signatures: [] };
  throw refuse(Reason.CANNOT_VOUCH, Code.FailedPrecondition, `this builder cannot vouch for ${path}`, {
    subject: path,
    fix: "ask the builder's owner to rebuild it there, or to sign it with a key that the builder's Nix trusts",
  });
}
