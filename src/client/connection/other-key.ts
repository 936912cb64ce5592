import { Failure } from "../../lib/failure.ts";
import { formatPublicKey, type PublicKey } from "../../nix/signing-key.ts";
import type { Destination, KeyFrom } from "./destination.ts";

/** Throws the alarm if a builder signs with another key than the one it is known by. Nothing has been sent to it yet, and nothing taken from it. */
export function refuseOtherKey({ signingKey, keyFrom, name, peer }: Destination, said: PublicKey): void {
  if (signingKey === undefined || formatPublicKey(signingKey) === formatPublicKey(said)) return;
  const who =
    name === undefined ? `the builder ${peer.endpointId.slice(0, 12)}` : `the builder ${JSON.stringify(name)}`;
  const keys = `${formatPublicKey(said)}, and is known by another one:\n  ${formatPublicKey(signingKey)} (${knownFrom(keyFrom)})`;
  throw new Failure("not-permitted", "this machine", `${who} signs with\n  ${keys}`, {
    reason: "signing-key-changed",
    fix: `somebody may have taken its place: ask its owner whether the key was changed on purpose\n${howToAccept(keyFrom, said)}`,
  });
}

function knownFrom(from: KeyFrom | undefined): string {
  if (from?.kind === "first-use") return "when it was first used";
  if (from?.kind === "builder-file") return `public_key in ${from.file}`;
  return from?.kind === "ticket" ? "from the ticket" : "as was asked for";
}

/** What to do once the builder's owner has said that the new key is theirs. */
function howToAccept(from: KeyFrom | undefined, said: PublicKey): string {
  if (from?.kind === "first-use") return `if it was, forget the old one: rm ${from.file}`;
  if (from?.kind === "builder-file")
    return `if it was, write it into ${from.file}: "public_key": "${formatPublicKey(said)}"`;
  return from?.kind === "ticket" ? "if it was, ask for a new ticket" : "if it was, ask for this one";
}
