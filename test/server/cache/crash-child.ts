import { pino } from "pino";
import { parseSecretKey, signPath } from "../../../src/nix/signing-key.ts";
import { OutputCache } from "../../../src/server/cache/output-cache.ts";
import { unprovenPath } from "../../fakes/make-path.ts";
import { FakeNix } from "../../fakes/nix.ts";
import { contentOf } from "./crash-content.ts";

// Run by crash.test.ts: fills a cache that is too small for all of it, says which entries have become whole, and goes on until it is killed.

const [, , folder = "", secret = "", from = "0"] = process.argv;
const key = parseSecretKey(secret);
const nix = new FakeNix();
const cache = new OutputCache({
  folder,
  openStore: nix.open,
  key,
  maxFills: 3,
  patience: 60_000,
  maxBytes: 3_000_000,
  idleTime: 100,
  quietTime: 0,
  log: pino({ level: "silent" }),
});

for (let n = Number(from); ; n += 4) {
  const made = [n, n + 1, n + 2, n + 3].map(i => unprovenPath(`path-${i}`, contentOf(i)));
  nix.seed(...made);
  await Promise.all(
    made.map(async ({ info }) => {
      const source = await cache.open({ ...info, signatures: [signPath(info, key)] });
      if (source === undefined) throw new Error("the cache takes nothing");
      const never = new AbortController().signal;
      for (let at = 0; ; ) {
        const { bytes } = await source.read(at, 100_000, never);
        if (bytes.length === 0) break;
        at += bytes.length;
      }
      source.close(true);
    }),
  );
  process.stdout.write(`${n}\n`);
}
