import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { parseContentAddress } from "../../nix/content-address.ts";
import type { PathInfo } from "../../nix/path-info.ts";
import { type PublicKey, type SecretKey, signerOf, signPath } from "../../nix/signing-key.ts";
import type { StorePath } from "../../nix/store-path.ts";
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
  if (provesItself(info)) return { ...plain, signatures: [] };
  throw cannotVouch(path);
}

/**
 * The same for a path that the store has collected since: its info is that of the cache, which this builder vouched for when it was filled. Where that
 * was because of another's signature, that one must be trusted today.
 */
export function stillVouched(info: PathInfo, { key, trustedKeys, built }: Voucher): PathInfo {
  const own = signerOf(info, [key.public]) !== undefined;
  const others = info.signatures.filter(text => signerOf({ ...info, signatures: [text] }, [key.public]) === undefined);
  const signatures = trustedSignatures({ ...info, signatures: others }, trustedKeys);
  const trusted = own ? others.length === 0 || signatures.length > 0 || built.has(info) : provesItself(info);
  if (!trusted) throw cannotVouch(info.path);
  return { ...info, signatures: own ? [signPath(info, key), ...signatures] : [] };
}

function provesItself({ ca }: PathInfo): boolean {
  return ca !== undefined && parseContentAddress(ca).method !== "unknown";
}

function cannotVouch(path: StorePath) {
  return refuse(Reason.CANNOT_VOUCH, Code.FailedPrecondition, `this builder cannot vouch for ${path}`, {
    subject: path,
    fix: "ask the builder's owner to rebuild it there, or to sign it with a key that the builder's Nix trusts",
  });
}
