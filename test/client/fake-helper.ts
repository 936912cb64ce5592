import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { HELPER_LIMITS, type HelperAnswer, type HelperQuestion, readLine } from "../../src/lib/helper-protocol.ts";
import { parseNarInfo } from "../../src/nix/narinfo.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { admit } from "../fakes/admit.ts";
import type { World } from "./world.ts";

type ImportQuestion = Extract<HelperQuestion, { ask: "import" }>;

/** An import helper that a test scripts. */
export interface FakeHelper {
  /** What it was asked, in order. */
  readonly questions: HelperQuestion[];
  /** Answers about keys; by default yes. */
  onKey: (key: string) => HelperAnswer;
  /** Imports; by default all, one after another as they are named. `hungUp`: the caller is gone. */
  onImport: (question: ImportQuestion, hungUp: Promise<void>) => Promise<HelperAnswer>;
  /** Takes one path of a question into the store, as `nix copy` does. */
  copy(question: ImportQuestion, path: string): Promise<void>;
}

/** Starts one where the world's client looks for it. */
export async function startFakeHelper(t: TestContext, world: World): Promise<FakeHelper> {
  const copy: FakeHelper["copy"] = async ({ url }, path) => {
    const narinfo = await get(`${url}/${path.slice(11, 43)}.narinfo`);
    const { info, url: file } = parseNarInfo(narinfo.toString());
    const nar = await get(`${url}/${file}`);
    const isValid = (path: StorePath) => world.nix.valid.has(path);
    admit(info, nar, { isValid, needsProof: true, trustedKeys: [world.builder.key.public] });
    world.nix.seed({ info, nar });
  };
  const helper: FakeHelper = {
    questions: [],
    copy,
    onKey: () => ({ ok: true }),
    onImport: async question => {
      for (const path of question.paths) if (!world.nix.valid.has(path as StorePath)) await copy(question, path);
      return { ok: true };
    },
  };
  const server = createServer(socket => {
    socket.on("error", () => undefined);
    const hungUp = new Promise<void>(resolve => socket.once("close", () => resolve()));
    void converse(helper, socket, hungUp);
  });
  await new Promise<void>(resolve => server.listen(join(world.home, "helper.sock"), resolve));
  t.after(() => void server.close());
  return helper;
}

async function converse(helper: FakeHelper, socket: Socket, hungUp: Promise<void>): Promise<void> {
  const line = await readLine(socket, HELPER_LIMITS.message, AbortSignal.timeout(60_000));
  if (line === undefined) {
    socket.destroy();
    return;
  }
  const question: HelperQuestion = JSON.parse(line);
  helper.questions.push(question);
  // So that the end is seen.
  socket.resume();
  const answer = question.ask === "key" ? helper.onKey(question.key) : await imported(helper, question, hungUp);
  socket.end(`${JSON.stringify(answer)}\n`);
}

async function imported(helper: FakeHelper, question: ImportQuestion, hungUp: Promise<void>): Promise<HelperAnswer> {
  try {
    return await helper.onImport(question, hungUp);
  } catch (error) {
    return { ok: false, reason: "import-failed", message: String(error) };
  }
}

async function get(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}
