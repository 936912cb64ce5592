import { cleanText } from "../lib/terminal.ts";
import type { PublicKey } from "../nix/signing-key.ts";
import type { StorePath } from "../nix/store-path.ts";
import { nixCopy } from "./nix-copy.ts";
import { Refused } from "./question.ts";
import { openRelay } from "./relay.ts";

/** Longest import in milliseconds: a day. */
const MAX_MS = 24 * 3600 * 1000;

/** What is to be imported, checked. */
export interface ImportOptions {
  readonly key: PublicKey;
  readonly url: string;
  readonly paths: readonly StorePath[];
}

/** Imports paths, or throws {@link Refused} with what Nix, or the relay before it, had against them. Once the signal fires nothing of it runs on. */
export async function importPaths(options: ImportOptions, gone: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([gone, AbortSignal.timeout(MAX_MS)]);
  const relay = await openRelay({ ...options, signal });
  try {
    const { exitCode, stderr } = await nixCopy({ ...options, url: relay.url, signal });
    signal.throwIfAborted();
    if (exitCode === 0) return;
    throw refusal(relay.fault() ?? withoutChatter(stderr), stderr, options.key);
  } finally {
    relay.close();
  }
}

function refusal(why: string, stderr: string, key: PublicKey): Refused {
  const full = /No space left on device|disk quota exceeded/i.test(stderr);
  return new Refused(full ? "disk-full" : "import-failed", cleanText(why, 64 << 10), key.name);
}

/** What Nix says of its progress is no reason. */
function withoutChatter(stderr: string): string {
  const lines = stderr.split("\n").filter(line => !/^(copying|warning:)/.test(line));
  return (
    lines
      .join("\n")
      .trim()
      .replace(/^error: /, "") || "nix copy failed without a word"
  );
}
