import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { disposable } from "../contract/endpoint/tools.ts";
import { makeWith, whyNoAddon } from "./bindings.ts";
import { remoteAlpn } from "./remote-protocol.ts";

const ways = [
  ["exit", 0],
  ["throw", 1],
  ["worker-exit", 0],
  ["worker-terminate", 0],
] as const;

for (const [how, code] of ways) {
  test(`native: a program that leaves by ${how} amid calls says goodbye to its peer, and does not crash`, {
    skip: whyNoAddon,
  }, async () => {
    await using server = disposable(
      await makeWith("native", { alpns: [remoteAlpn], relay: "none", bind: ["127.0.0.1:0"] }),
    );
    const left = leave(how, [server.it.id, server.it.addresses().direct[0] ?? ""]);
    const sessions = how.startsWith("worker") ? 3 : 1;
    for (let at = 0; at < sessions; at++) {
      const session = await server.it.accept();
      assert.equal((await session?.closed)?.kind, "peer");
    }
    assert.deepEqual(await left, { code, signal: null });
  });
}

function leave(how: string, address: readonly string[]): Promise<{ code: unknown; signal: unknown }> {
  const args = [join(import.meta.dirname, "leaving.ts"), how, ...address];
  const env = { ...process.env, DRV_THRU_IROH: "native" };
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; signal: unknown }>();
  execFile(process.execPath, args, { env, timeout: 60_000 }, error =>
    resolve({ code: error?.code ?? 0, signal: error?.signal ?? null }),
  );
  return promise;
}
