import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Failure } from "../../src/lib/failure.ts";
import { openState } from "../../src/state/open.ts";
import type { State } from "../../src/state/state.ts";
import { folder, id } from "./samples.ts";

const child = fileURLToPath(new URL("crash-child.ts", import.meta.url));

for (const lines of [1, 2, 3, 40, 101]) {
  test(`a builder killed after it reported ${lines} steps has kept each of them, and its uses add up`, async t => {
    const path = folder(t);
    const process = spawn(globalThis.process.execPath, [child, path], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(process, "exit");
    const told: string[] = [];
    for await (const line of createInterface(process.stdout)) {
      told.push(line);
      if (told.length === 1) await assert.rejects(openState(path), heldBy(process.pid));
      if (told.length === lines) process.kill("SIGKILL");
    }
    await exited;

    const state = await openState(path);
    for (const line of told) assertKept(state, line);
    assertAddsUp(state);
    await state.close();
  });
}

function heldBy(pid: number | undefined) {
  return (error: unknown) => error instanceof Failure && error.message.includes(`process ${pid}`);
}

function assertKept(state: State, line: string): void {
  const [step, number] = line.split(" ");
  const build = state.build(id.build(Number(number)));
  assert(build !== undefined, line);
  if (step === "committed") assert.equal(build.use, "committed", line);
  if (step === "finished") assert(build.end !== undefined, line);
}

function assertAddsUp(state: State): void {
  const builds = [...state.unfinished(), ...state.recent(1_000_000)];
  const { committed, reserved } = state.ticket(id.ticket(1)) ?? {};
  assert.equal(committed, builds.filter(build => build.use === "committed").length);
  assert.equal(reserved, builds.filter(build => build.use === "reserved").length);
}
