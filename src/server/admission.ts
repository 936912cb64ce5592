/**
 * What may enter the builder's store, and what of it a guest may lean on. The one file that decides; whoever asks.
 *
 * A path enters if it proves itself (its content address leads to its own name, and the hash is found in the bytes received) or if a key that the
 * builder's Nix trusts has signed it. It may refer only to paths that the same build has named and proved that way. A path that the store holds
 * already counts as here only for a build that knows all of it: otherwise a guest could name, and so read, what somebody else has sent.
 */
import { Code, type ConnectError } from "@connectrpc/connect";
import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import { parseContentAddress, provingHash, type RequiredHash } from "../nix/content-address.ts";
import type { Derivation } from "../nix/derivation.ts";
import { FormatError } from "../nix/format-error.ts";
import type { PathInfo } from "../nix/path-info.ts";
import { type PublicKey, signerOf } from "../nix/signing-key.ts";
import { isDerivationPath, type StorePath } from "../nix/store-path.ts";
import { refuse } from "./refusal.ts";

/** How a path is proved. `content`: this hash must be found in its bytes. `signed`: the NAR hash, which was signed, must. */
export type PathProof =
  | { readonly by: "content"; readonly required: RequiredHash }
  | { readonly by: "signature"; readonly signatures: readonly string[] };

/** Algorithms for which nobody can make two contents of one hash. */
const STRONG = new Set(["sha256", "sha512"]);

/** Signatures of a path that are tried: each costs time, and a peer may send many under a name that is trusted. */
const MAX_TRIED = 4;

/** How this path can prove itself. Throws a refusal if it cannot. */
export function proofOf(info: PathInfo, trustedKeys: readonly PublicKey[]): PathProof {
  const content = contentProof(info);
  if (typeof content !== "string") return { by: "content", required: content };
  const signatures = trustedSignatures(info, trustedKeys);
  if (signatures.length > 0) return { by: "signature", signatures };
  throw unproven(info, content);
}

/** The hash that proves a path by its content, or why none does. */
function contentProof(info: PathInfo): RequiredHash | string {
  const { ca, path, references, narHash } = info;
  if (ca === undefined) return "it has no content address, and no key that the builder's Nix trusts has signed it";
  const weak = weakness(ca);
  if (weak !== undefined) return `its content address is of a kind that proves nothing here: ${weak}`;
  if (references.includes(path)) return "it is content-addressed and refers to itself";
  const required = requiredOf(info);
  if (required === undefined) return "its path does not follow from its content address, references and name";
  if (isDerivationPath(path) && !ca.startsWith("text:")) return "a derivation must be a text";
  const { over, hash } = required;
  if (over === "nar" && hash.algorithm === "sha256" && hash.hex !== narHash) {
    return "its content address speaks of another NAR hash";
  }
  return required;
}

/** Those signatures of a path that a trusted key has truly made. */
export function trustedSignatures(info: PathInfo, trustedKeys: readonly PublicKey[]): string[] {
  const names = new Set(trustedKeys.map(key => `${key.name}:`));
  const tried = info.signatures.filter(text => names.has(text.slice(0, text.indexOf(":") + 1))).slice(0, MAX_TRIED);
  return tried.filter(text => signerOf({ ...info, signatures: [text] }, trustedKeys) !== undefined);
}

function weakness(text: string): string | undefined {
  const ca = parseContentAddress(text);
  if (ca.method === "unknown") return "unknown";
  if (ca.method === "git") return "git";
  return STRONG.has(ca.hash.algorithm) ? undefined : ca.hash.algorithm;
}

function requiredOf(info: PathInfo): RequiredHash | undefined {
  try {
    return provingHash(info);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

function unproven(info: PathInfo, why: string): ConnectError {
  return refuse(Reason.PATH_UNPROVEN, Code.PermissionDenied, `the builder does not take ${info.path}: ${why}`, {
    subject: info.path,
    fix: "let the builder build or substitute it, or ask its owner to trust the key that signed it (trusted-public-keys in nix.conf)",
  });
}

/** Throws a refusal unless each reference is the path itself or in `known`: what the same build has named and proved before. */
export function checkReferences(info: PathInfo, known: { has(path: StorePath): boolean }): void {
  for (const reference of info.references) {
    if (reference === info.path || known.has(reference)) continue;
    throw notNamed(info.path, reference);
  }
}

function notNamed(path: StorePath, reference: StorePath): ConnectError {
  return refuse(
    Reason.PATH_NOT_NAMED,
    Code.PermissionDenied,
    `${path} refers to ${reference}, which this build has neither named nor sent before it`,
    { subject: reference },
  );
}

/** Whether what the store holds is what the peer has: only then it need not send it. */
export function isHere(sent: PathInfo, held: PathInfo | undefined): boolean {
  return (
    held !== undefined &&
    held.narHash === sent.narHash &&
    held.narSize === sent.narSize &&
    held.ca === sent.ca &&
    held.references.length === sent.references.length &&
    new Set(held.references).isSupersetOf(new Set(sent.references))
  );
}

/** Throws a refusal if two infos that one build gives of a path differ. */
export function checkSame(earlier: PathInfo, later: PathInfo): void {
  if (isHere(later, earlier)) return;
  throw refuse(
    Reason.PATH_CORRUPT,
    Code.InvalidArgument,
    `this build has named ${later.path} before with another content`,
    {
      subject: later.path,
    },
  );
}

/**
 * Throws a refusal unless a derivation names as inputs exactly what its path info says it refers to. Nix takes the references of a derivation from
 * whoever adds it, and builds with the inputs that the text names: without this check a text could name what its sender never had.
 */
export function checkDerivation(info: PathInfo, derivation: Derivation): void {
  const references = new Set(info.references);
  for (const input of [...derivation.inputSources, ...derivation.inputDerivations.keys()]) {
    if (!references.has(input)) throw notNamed(info.path, input);
  }
}

/** The info under which an admitted path enters the store: nothing in it is a peer's word alone. */
export function admittedInfo(info: PathInfo, proof: PathProof): PathInfo {
  const { path, narHash, narSize, references, ca } = info;
  const signatures = proof.by === "signature" ? proof.signatures : [];
  return { path, narHash, narSize, references, signatures, ...(ca !== undefined && { ca }) };
}

/** The error for bytes that are not what their info says. */
export function corrupt(path: StorePath, why: string): ConnectError {
  return refuse(Reason.PATH_CORRUPT, Code.InvalidArgument, `the bytes of ${path} are not what they should be: ${why}`, {
    subject: path,
    fix: `nix-store --verify-path ${path}`,
  });
}
