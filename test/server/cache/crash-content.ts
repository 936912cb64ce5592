import { createHash } from "node:crypto";

/** What the path of this number holds: small and large ones in turn, the same each time. */
export function contentOf(n: number): string {
  const word = createHash("sha512").update(String(n)).digest("hex");
  return Array.from({ length: n % 3 === 0 ? 6_000 : 3 }, (_, i) =>
    createHash("sha512")
      .update(word + i)
      .digest("hex"),
  ).join("");
}
