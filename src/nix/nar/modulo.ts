import { createHasher, type HashAlgorithm, type Hasher } from "../hash.ts";

/**
 * Hashes a NAR "modulo itself", as Nix does for content-addressed trees that hold their own digest: each occurrence counts as zeros, and
 * after the bytes come `|OFFSET` for each. Where the digest does not occur this is the plain hash.
 */
export function createModuloHasher(algorithm: HashAlgorithm, digest: string): Hasher {
  const hasher = createHasher(algorithm);
  const sought = Buffer.from(digest, "latin1");
  const offsets: number[] = [];
  let kept: Buffer = Buffer.alloc(0);
  let size = 0;
  return {
    update: bytes => {
      const window = Buffer.concat([kept, bytes]);
      const start = size - kept.length;
      for (let at = window.indexOf(sought); at >= 0; at = window.indexOf(sought, at + sought.length)) {
        window.fill(0, at, at + sought.length);
        offsets.push(start + at);
      }
      size += bytes.length;
      // What could be the beginning of an occurrence waits for the next bytes.
      const ready = Math.max(0, window.length - sought.length + 1);
      hasher.update(window.subarray(0, ready));
      kept = window.subarray(ready);
    },
    get size() {
      return size;
    },
    digest: () => {
      hasher.update(kept);
      for (const offset of offsets) hasher.update(Buffer.from(`|${offset}`));
      return hasher.digest();
    },
  };
}
