import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { makeEndpoint } from "../../src/iroh/endpoint.ts";
import { BUILDER_ALPN } from "../../src/lib/protocol.ts";
import { generateSecretKey, signPath } from "../../src/nix/signing-key.ts";
import { formatTicket } from "../../src/tickets/text.ts";
import { FakeBuilder } from "../client/builder.ts";
import { unprovenPath } from "../fakes/make-path.ts";
import { whyNoHosts } from "../hosts/can.ts";
import { type Host, makeHost } from "../hosts/host.ts";
import type { Ended } from "../hosts/process.ts";

const skip = whyNoHosts();
let client: Host | undefined;
before(async () => {
  if (skip === undefined) client = await makeHost("client", { users: ["guest"] });
});
after(async () => await client?.stop());

interface Met extends Ended {
  readonly builder: FakeBuilder;
  /** Whether what was asked for is valid on the client. */
  readonly taken: boolean;
}

/** A real client builds something at a builder that a test has taught what no honest one does. */
async function meet(name: string, teach: (builder: FakeBuilder) => void, user = "guest"): Promise<Met> {
  assert.ok(client, "there is no host");
  const endpoint = await makeEndpoint({ alpns: [BUILDER_ALPN], relay: "none", bind: ["127.0.0.1"] });
  try {
    const builder = new FakeBuilder(endpoint.id);
    teach(builder);
    void (async () => {
      for (let session = await endpoint.accept(); session; session = await endpoint.accept()) builder.serve(session);
    })();
    const { signingKey } = builder;
    await client.configure({ "trusted-public-keys": signingKey });
    const addresses = endpoint.addresses().direct;
    const secret = new Uint8Array(32).fill(7);
    const ticket = formatTicket({ endpointId: endpoint.id, relayUrls: [], addresses, secret, signingKey });
    const expression = `derivation { name = "${name}"; system = "x86_64-linux"; builder = "/bin/sh"; }`;
    const argv = ["drv-thru", "build", "--impure", "--no-link", "--expr", expression];
    const ended = await client.run(argv, { user, env: { DRV_THRU_TICKET: ticket } });
    const [target] = [...builder.builds.values()].flatMap(build => build.record.targets);
    const out = target?.outputs[0]?.path ?? "";
    const taken = (await client.run(["nix-store", "--check-validity", out])).status === 0;
    return { ...ended, builder, taken };
  } finally {
    await endpoint.close();
  }
}

test("a builder that does what it should is believed, and its escape sequences are not shown", { skip }, async () => {
  const { status, stderr, taken } = await meet("honest", () => undefined);
  assert.equal(status, 0, stderr);
  assert.ok(taken);
  assert.match(stderr, /hello red/);
  assert.ok(!stderr.includes("\u001b"));
});

test("attack: a builder offers a path outside the closure", { skip }, async () => {
  const rootkit = unprovenPath("rootkit", "hello");
  const { status, stderr, taken, builder } = await meet("foreign", builder => {
    builder.nix.seed(rootkit);
    builder.tell = infos => [rootkit.info, ...infos].map(info => builder.signed(info));
  });
  assert.notEqual(status, 0);
  assert.ok(stderr.includes(rootkit.info.path), stderr);
  assert.ok(!taken);
  assert.ok(!builder.calls.includes("fetch"));
});

for (const user of ["guest", "root"]) {
  test(`attack: a builder signs with another key than its ticket says, for ${user}`, { skip }, async () => {
    const other = generateSecretKey("drv-thru-test");
    const { status, stderr, taken, builder } = await meet(
      `other-key-${user}`,
      builder => {
        builder.tell = infos => infos.map(info => ({ ...info, signatures: [signPath(info, other)] }));
      },
      user,
    );
    assert.notEqual(status, 0);
    assert.match(stderr, /not signed by the builder's key/);
    assert.ok(!taken);
    assert.ok(!builder.calls.includes("fetch"));
  });
}

test("attack: a builder sends other bytes than it has signed", { skip }, async () => {
  const { status, stderr, taken } = await meet("other-bytes", builder => {
    builder.bytesOf = ({ nar }) => Buffer.from(nar).map((byte, at) => (at === 96 ? byte ^ 1 : byte));
  });
  assert.notEqual(status, 0);
  assert.match(stderr, /the builder sent bytes with another hash/);
  assert.ok(!taken);
});

test("attack: a builder wishes for a path that is no input of the build", { skip }, async () => {
  const { status, stderr, builder } = await meet("wishes", builder => {
    builder.wishes = [unprovenPath("private", "the client's own").info.path];
  });
  assert.notEqual(status, 0);
  assert.match(stderr, /no input of this build/);
  assert.deepEqual(builder.uploaded, []);
});
