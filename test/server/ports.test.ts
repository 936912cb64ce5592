import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { keepPorts, readPorts, withPorts } from "../../src/server/ports.ts";

test("the ports of the first start are kept, by family", async t => {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-ports-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "udp-ports");
  assert.deepEqual(await readPorts(file), {});
  await keepPorts(file, [], [40_001, 40_002], {});
  const kept = await readPorts(file);
  assert.deepEqual(kept, { ipv4: 40_001, ipv6: 40_002 });
  assert.deepEqual(withPorts([], kept), ["0.0.0.0:40001", "[::]:40002"]);
});

test("an address without a port gets the kept one, an address with a port keeps its own", () => {
  const kept = { ipv4: 40_001, ipv6: 40_002 };
  assert.deepEqual(withPorts(["127.0.0.1", "::1"], kept), ["127.0.0.1:40001", "[::1]:40002"]);
  assert.deepEqual(withPorts(["127.0.0.1:7", "[::1]:8"], kept), ["127.0.0.1:7", "[::1]:8"]);
  assert.deepEqual(withPorts(["127.0.0.1", "[::1]"], {}), ["127.0.0.1", "[::1]"]);
});

test("a port that was asked for by hand is not kept for later starts", async t => {
  const folder = mkdtempSync(join(tmpdir(), "drv-thru-ports-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "udp-ports");
  await keepPorts(file, ["127.0.0.1:7", "::1"], [7, 40_002], {});
  assert.deepEqual(await readPorts(file), { ipv6: 40_002 });
});
