import { createHash, generateKeyPairSync, sign, verify } from "node:crypto";
import { formatNarInfo, parseNarInfo } from "../../src/nix/narinfo.ts";
import { generateSecretKey, signerOf, signPath } from "../../src/nix/signing-key.ts";
import { proofOf } from "../../src/server/admission.ts";
import { provenNar } from "../../src/server/upload/byte-proof.ts";
import { sourcePath, textPath } from "../../test/fakes/make-path.ts";
import { inPieces, lengthOf, MEGABYTE, someBytes } from "./bytes.ts";
import type { Part } from "./rate.ts";

/** The parts through which paths go, one by one. */
export function pathParts(): Part[] {
  const key = generateSecretKey("bench-1");
  const references = Array.from({ length: 12 }, (_, n) => textPath(`input-${n}`, `input ${n}`).info.path);
  const { info } = textPath("text", "some text", references);
  const signed = { ...info, signatures: [signPath(info, key)] };
  const trusted = [key.public];
  const text = formatNarInfo({ info: signed, url: "nar/x.nar.zst", compression: "zstd" });
  const json = JSON.stringify(signed);
  const pair = generateKeyPairSync("ed25519");
  const words = Buffer.alloc(400);
  const signature = sign(null, words, pair.privateKey);
  const bareSign = () => sign(null, words, pair.privateKey).length / 64;
  const bareVerify = () => Number(verify(null, words, pair.publicKey, signature));
  const megabytes = text.length / MEGABYTE;
  const asJson = { unit: "MB", limitName: "the same as JSON" };
  return [
    {
      name: "narinfo read",
      ours: () => parseNarInfo(text).info.narSize && megabytes,
      limit: () => JSON.parse(json).narSize && json.length / MEGABYTE,
      ...asJson,
    },
    {
      name: "narinfo written",
      ours: () => formatNarInfo({ info: signed, url: "nar/x.nar.zst", compression: "zstd" }).length / MEGABYTE,
      limit: () => JSON.stringify(signed).length / MEGABYTE,
      ...asJson,
    },
    {
      name: "path signed",
      unit: "paths",
      ours: () => Number(signPath(info, key).length > 0),
      limit: bareSign,
      limitName: "Ed25519 alone",
    },
    {
      name: "signature checked",
      unit: "paths",
      ours: () => Number(signerOf(signed, trusted) !== undefined),
      limit: bareVerify,
      limitName: "Ed25519 alone",
    },
    ...admissionParts(),
  ];
}

function admissionParts(): Part[] {
  const small = textPath("small", "a small text");
  const big = sourcePath("big", someBytes(4 << 20));
  const proof = proofOf(big.info, []);
  return [
    {
      name: "admission of a small text, its bytes too",
      unit: "paths",
      ours: async () =>
        Number((await lengthOf(provenNar(small.info, proofOf(small.info, []), inPieces(small.nar)))) > 0),
      limit: () => Number(proofOf(small.info, []).by === "content"),
      limitName: "its info alone",
    },
    {
      name: "admission of a source of 4 MiB",
      unit: "MB",
      ours: async () => (await lengthOf(provenNar(big.info, proof, inPieces(big.nar)))) / MEGABYTE,
      limit: () => createHash("sha256").update(big.nar).digest() && big.nar.length / MEGABYTE,
      limitName: "SHA-256 of the same bytes",
    },
  ];
}
