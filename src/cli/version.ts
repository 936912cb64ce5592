import { readFileSync } from "node:fs";

/** This program's version, from the package that it is part of: by the package's own name, for a bundled file does not lie where its source does. */
export function version(): string {
  const text = readFileSync(new URL(import.meta.resolve("drv-thru/package.json")), "utf8");
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed === "object" && parsed !== null && "version" in parsed && typeof parsed.version === "string")
    return parsed.version;
  throw new Error("package.json has no version");
}
