import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { whyNoHosts } from "../hosts/can.ts";
import { makeHosts } from "../hosts/hosts.ts";
import { joinHosts, setLink, whyNoLink } from "../hosts/link.ts";
import { start } from "../hosts/process.ts";
import { leftOf, type Trace, traceOf } from "../hosts/trace.ts";

const skip = whyNoHosts();
const trivial =
  'derivation { name = "trivial"; system = builtins.currentSystem; builder = "/bin/sh"; args = ["-c" "echo built > $out"]; }';

test("two hosts build one thing each, and neither has it from the other", { skip }, async () => {
  const hosts = await makeHosts({ builder: { sandbox: false } });
  try {
    const outputs = [];
    for (const host of [hosts.builder, hosts.client]) {
      const { status, stdout, stderr } = await host.run([
        "nix",
        "build",
        "--json",
        "--no-link",
        "--impure",
        "--expr",
        trivial,
      ]);
      assert.equal(status, 0, stderr);
      assert.match(stderr, /building/, "it came from somewhere else");
      outputs.push(JSON.parse(stdout)[0].outputs.out as string);
    }
    assert.equal(outputs[0], outputs[1]);
    for (const host of [hosts.builder, hosts.client]) {
      assert.equal(readFileSync(host.outside(outputs[0] ?? ""), "utf8"), "built\n");
    }
  } finally {
    await hosts.stop();
  }
});

test("a host's user is nobody that its Nix trusts, and may not change the checkout", { skip }, async () => {
  const hosts = await makeHosts();
  try {
    for (const host of [hosts.builder, hosts.client]) {
      const trusted = (await host.run(["cat", "/etc/nix/nix.conf"])).stdout.match(/^trusted-users = (.*)$/m)?.[1];
      assert.equal(trusted, host.ownUids ? "root" : "somebody-else");
      assert.equal((await host.run(["id", "-un"])).stdout.trim(), host.user);
      assert.match((await host.run(["touch", "/drv-thru/planted"])).stderr, /Read-only file system/);
    }
  } finally {
    await hosts.stop();
  }
});

test("a program on a host gets the signal, the input and the environment it is sent, and nothing of ours", {
  skip,
}, async () => {
  const hosts = await makeHosts();
  try {
    const env = await hosts.client.run(["sh", "-c", "cat; env | sort"], { input: "typed\n", env: { A: "b" } });
    const names = env.stdout.split("\n").map(line => line.split("=")[0]);
    assert.equal(names[0], "typed");
    const known = ["A", "DRV_THRU_IROH", "HOME", "LANG", "NIX_REMOTE", "NODE_COMPILE_CACHE", "PATH", "PWD", "USER", ""];
    assert.deepEqual(
      names.slice(1).filter(name => !known.includes(name ?? "")),
      [],
    );
    const waiting = hosts.client.spawn([
      "sh",
      "-c",
      "trap 'echo stopped; exit 7' INT; echo waiting; while :; do sleep 0.1; done",
    ]);
    await waiting.until(/waiting/);
    await waiting.signal("SIGINT");
    assert.deepEqual(await waiting.ended, { status: 7, stdout: "waiting\nstopped\n", stderr: "" });
  } finally {
    await hosts.stop();
  }
});

test("root on a host cannot put something else in place of a device of this machine", { skip }, async () => {
  const hosts = await makeHosts();
  try {
    const { status, stdout } = await hosts.client.run(
      ["sh", "-c", "ln -sf /etc/passwd /dev/null; touch /dev/planted; echo done"],
      {
        user: "root",
      },
    );
    assert.deepEqual({ status, stdout }, { status: 0, stdout: "done\n" });
    assert.ok(statSync("/dev/null").isCharacterDevice());
    assert.ok(!existsSync("/dev/planted"));
  } finally {
    await hosts.stop();
  }
});

test("hosts that are stopped leave no process, no mount and no file", { skip }, async () => {
  const hosts = await makeHosts();
  const traces = [await traceOf(hosts.builder), await traceOf(hosts.client)];
  assert.ok(
    traces.every(trace => leftOf(trace).length > 0),
    "the test cannot see what it looks for",
  );
  await hosts.stop();
  assert.deepEqual(traces.flatMap(leftOf), []);
});

test("two hosts with networks of their own reach each other, until the link is pulled", {
  skip: skip ?? whyNoLink(),
}, async () => {
  const hosts = await makeHosts({ builder: { ownNetwork: true }, client: { ownNetwork: true } });
  try {
    const { builder: address } = await joinHosts(hosts);
    const listens = `require("net").createServer(s => s.end("hello")).listen(4444, "${address}", () => console.log("listening"))`;
    const asks = `require("net").connect(4444, "${address}").on("error", e => console.log(e.code)).on("data", d => console.log(String(d)))`;
    const node = "/drv-thru/node_modules/.bin/node";
    await hosts.builder.spawn([node, "-e", listens]).until(/listening/);
    assert.equal((await hosts.client.run([node, "-e", asks])).stdout, "hello\n");
    await setLink(hosts.client, "down");
    assert.equal((await hosts.client.run([node, "-e", asks])).stdout, "ENETUNREACH\n");
  } finally {
    await hosts.stop();
  }
});

for (const signal of ["SIGINT", "SIGKILL"] as const) {
  test(`whoever made hosts dies of ${signal}: the hosts go too`, { skip }, async () => {
    const maker = start([process.execPath, join(import.meta.dirname, "../hosts/hold.ts")], process.env);
    const [, told = ""] = await maker.until(/^(\[.*\])$/m);
    const traces = JSON.parse(told) as Trace[];
    assert.ok(
      traces.every(trace => leftOf(trace).length > 0),
      "the test cannot see what it looks for",
    );
    maker.child.kill(signal);
    await maker.ended;
    while (traces.some(trace => leftOf(trace).length > 0)) await setTimeout(20);
  });
}
