import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { evaluationArguments, parseInstallables } from "../../src/client/plan/arguments.ts";
import { evaluate, parseBuildJson } from "../../src/client/plan/evaluate.ts";
import type { RunNix } from "../../src/client/plan/nix-process.ts";
import { runNix } from "../../src/client/plan/nix-process.ts";
import type { Failure } from "../../src/lib/failure.ts";
import { derivation } from "../fakes/make-path.ts";

const app = derivation({ name: "app", outputs: ["out", "dev"] });
const { out = "", dev = "" } = app.outputs as Readonly<Record<string, string>>;

/** A `nix` of this version that evaluates everything to `app` and its default output. */
function nixOf(version: string, calls: (readonly string[])[] = []): RunNix {
  return async args => {
    calls.push(args);
    if (args[0] === "--version") return { exitCode: 0, stdout: `nix (Nix) ${version}\n`, stderr: "" };
    return { exitCode: 0, stdout: JSON.stringify([{ drvPath: app.info.path, outputs: { out } }]), stderr: "" };
  };
}

const outputPaths = async () => [new Map(Object.entries(app.outputs))];
const onWarning = () => undefined;

test("every flag that concerns the evaluation reaches Nix, in one process", async () => {
  const calls: (readonly string[])[] = [];
  const request = {
    installables: ["app"],
    file: "x.nix",
    impure: true,
    refresh: true,
    acceptFlakeConfig: true,
    noUpdateLockFile: true,
    noWriteLockFile: true,
    overrideInputs: [["nixpkgs", "github:a/b"]] as const,
    nixOptions: [["cores", "2"]] as const,
    args: [["n", "1"]] as const,
    argstrs: [["s", "-t"]] as const,
    include: ["p=/q"],
  };
  await evaluate(request, { run: nixOf("2.26.3", calls), outputPaths, onWarning });
  assert.equal(calls.length, 1);
  assert.equal(
    calls[0]?.join(" "),
    "build --dry-run --json --no-link --extra-experimental-features nix-command flakes --file x.nix --impure --refresh --accept-flake-config " +
      "--no-update-lock-file --no-write-lock-file --override-input nixpkgs github:a/b --option cores 2 --arg n 1 --argstr s -t -I p=/q app",
  );
});

test("no installable means this folder's flake, and with a file or an expression the whole of it", () => {
  const asked = (request: object) => parseInstallables(request).map(item => item.text);
  assert.deepEqual(asked({}), ["."]);
  assert.deepEqual(asked({ file: "x.nix" }), []);
  assert.deepEqual(asked({ expr: "x" }), []);
});

for (const text of ["-x", "--option", "", "a\0b"]) {
  test(`${JSON.stringify(text)} is refused as an installable`, () => {
    assert.throws(
      () => parseInstallables({ installables: [text] }),
      (error: Failure) => error.code === "usage",
    );
  });
}

test("outputs are chosen also with a Nix that does not know the caret", async () => {
  for (const [version, asked] of [
    ["2.8.0", "app"],
    ["2.9.0", "app^dev"],
    ["3.0.1", "app^dev"],
  ] as const) {
    const calls: (readonly string[])[] = [];
    await evaluate({ installables: ["app^dev"] }, { run: nixOf(version, calls), outputPaths, onWarning });
    assert.equal(calls.at(-1)?.at(-1), asked, version);
  }
  const options = { run: nixOf("2.8.0"), outputPaths, onWarning };
  const chosen = async (text: string) => {
    const [item] = await evaluate({ installables: [text] }, options);
    return item?.kind === "derivation" ? Object.fromEntries(item.outputs) : undefined;
  };
  assert.deepEqual(await chosen("app^dev"), { dev });
  assert.deepEqual(await chosen("app^dev,out"), { dev, out });
  assert.deepEqual(await chosen("app^*"), { dev, out });
  await assert.rejects(chosen("app^doc"), /no output "doc"/);
});

test("a caret that is no choice of outputs stays part of the installable", () => {
  const [item] = parseInstallables({ installables: ["git+file:///a^b/c"] });
  assert.deepEqual(evaluationArguments({}, item ? [item] : [], true).at(-1), "git+file:///a^b/c");
});

test("what Nix prints is read in order with doubles, derivations and plain paths", () => {
  const one = { drvPath: app.info.path, outputs: { out, dev } };
  const items = parseBuildJson(JSON.stringify([one, out, one, { path: dev }]));
  assert.deepEqual(
    items.map(item => item.kind),
    ["derivation", "path", "derivation", "path"],
  );
});

for (const [what, json] of [
  ["no JSON", "these derivations"],
  ["no list", "{}"],
  ["a path elsewhere", '["/etc/passwd"]'],
  ["a derivation that is none", JSON.stringify([{ drvPath: out, outputs: {} }])],
  ["nothing", "[null]"],
] as const) {
  test(`${what} in place of what Nix should print is an error of Nix`, () => {
    assert.throws(
      () => parseBuildJson(json),
      (error: Failure) => error.who === "nix" && error.code === "failed",
    );
  });
}

test("an output whose path is not known is refused by name", () => {
  const json = JSON.stringify([{ drvPath: app.info.path, outputs: { out: null } }]);
  assert.throws(
    () => parseBuildJson(json),
    (error: Failure) => error.reason === "content-addressed" && error.message.includes(app.info.path),
  );
});

test("a failed evaluation shows Nix's own text once, without escapes, warnings apart", async () => {
  const stderr = "warning: Git tree is dirty\n\u001b[31;1merror:\u001b[0m attribute 'x' missing\n";
  const warnings: string[] = [];
  const run: RunNix = async (_args, options) => {
    for (const line of stderr.split("\n")) options?.onLine?.(line);
    return { exitCode: 1, stdout: "", stderr };
  };
  const failed = evaluate({ installables: [".#x"] }, { run, outputPaths, onWarning: text => warnings.push(text) });
  await assert.rejects(failed, {
    message: "nix cannot evaluate .#x: attribute 'x' missing",
    who: "nix",
    reason: "evaluation",
  });
  assert.deepEqual(warnings, ["Git tree is dirty"]);
});

test("a missing nix is an error of its own", async () => {
  await assert.rejects(
    runNix(["--version"], { env: { PATH: "/nonexistent" } }),
    (error: Failure) => error.reason === "nix-missing",
  );
});

for (const deaf of [false, true]) {
  test(`an aborted evaluation ends its process${deaf ? ", also one that does not hear SIGTERM," : ""} and is a cancel`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "drv-thru-nix-"));
    try {
      await writeFile(join(folder, "nix"), `#!/bin/sh\n${deaf ? "trap '' TERM" : ""}\necho $$ >&2\nexec sleep 60\n`, {
        mode: 0o755,
      });
      const abort = new AbortController();
      const { promise: pid, resolve } = Promise.withResolvers<number>();
      const running = runNix([], {
        signal: abort.signal,
        env: { PATH: `${folder}:/usr/bin:/bin` },
        onLine: line => resolve(Number(line)),
      });
      const started = await pid;
      abort.abort();
      await assert.rejects(running, (error: Failure) => error.code === "cancelled");
      assert.throws(() => process.kill(started, 0), { code: "ESRCH" });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}

test("the variables of whoever builds reach the evaluation, such as NIXPKGS_ALLOW_UNSUPPORTED_SYSTEM", async t => {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-nix-"));
  const path = process.env["PATH"];
  t.after(async () => {
    process.env["PATH"] = path;
    delete process.env["NIXPKGS_ALLOW_UNSUPPORTED_SYSTEM"];
    await rm(folder, { recursive: true });
  });
  await writeFile(join(folder, "nix"), '#!/bin/sh\necho "$NIXPKGS_ALLOW_UNSUPPORTED_SYSTEM"\n', { mode: 0o755 });
  process.env["PATH"] = `${folder}:${path}`;
  process.env["NIXPKGS_ALLOW_UNSUPPORTED_SYSTEM"] = "1";
  const printed: string[] = [];
  const run: RunNix = async (...given) => {
    printed.push((await runNix(...given)).stdout);
    return { exitCode: 0, stdout: "[]", stderr: "" };
  };
  await evaluate({ installables: ["app"], impure: true }, { run, outputPaths, onWarning });
  assert.deepEqual(printed, ["1\n"]);
});

test("an evaluation that is aborted where there is no nix is a cancel, and signals nobody", async () => {
  const signalled: string[] = [];
  const note = () => void signalled.push("SIGTERM");
  process.on("SIGTERM", note);
  const abort = new AbortController();
  const running = runNix(["eval", "--expr", "1"], { signal: abort.signal, env: { PATH: "/nonexistent" } });
  abort.abort();
  await assert.rejects(running, (error: Failure) => error.code === "cancelled");
  await new Promise(resolve => setImmediate(resolve));
  process.off("SIGTERM", note);
  assert.deepEqual(signalled, []);
});
