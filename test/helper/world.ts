import { readFileSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { LogFields } from "../../src/helper/log.ts";
import { startHelper } from "../../src/helper/serve.ts";
import { type HelperAnswer, readLine } from "../../src/lib/helper-protocol.ts";
import { formatPublicKey, generateSecretKey, type SecretKey } from "../../src/nix/signing-key.ts";

/** A running helper whose `nix` is `fake-nix.ts`. */
export interface HelperWorld {
  readonly folder: string;
  readonly socketPath: string;
  /** The one that is allowed. */
  readonly key: SecretKey;
  readonly keyText: string;
  readonly log: { readonly fields: LogFields; readonly message: string }[];
  /** Asks with one line, which need not be well formed, and hears the answer; `undefined`: the helper hung up. */
  ask(question: unknown): Promise<HelperAnswer | undefined>;
  /** Connects, to say what a test likes. */
  connect(): Promise<Socket>;
  /** What the last `nix` was given and what it met, once it has ended. */
  nix(): Promise<NixReport>;
  stop(): Promise<void>;
}

/** What `fake-nix.ts` writes down. */
export interface NixReport {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What its stdin is. */
  readonly stdin: string;
  /** Descriptors above 2 that point to a socket or a file. */
  readonly descriptors: readonly string[];
  /** URL to status and text, or the error. */
  readonly met: Readonly<Record<string, { readonly status: number; readonly text: string } | string>>;
}

/** How a helper of a test is. */
export interface HelperWorldOptions {
  /** Shell commands instead of the usual fake. */
  readonly nix?: string;
  readonly askingMs?: number;
  /** Keys beside its own. */
  readonly alsoAllowed?: readonly SecretKey[];
}

/** Makes a world that ends with the test. */
export async function makeHelper(
  t: TestContext,
  { nix, askingMs, alsoAllowed = [] }: HelperWorldOptions = {},
): Promise<HelperWorld> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-helper-test-"));
  const report = join(folder, "report.json");
  const fake = join(import.meta.dirname, "fake-nix.ts");
  await writeFile(join(folder, "nix"), nix ?? `exec ${process.execPath} ${fake} ${report} "$@"\n`);
  const script = await readFile(join(folder, "nix"), "utf8");
  await writeFile(join(folder, "nix"), `#!/bin/sh\n${script}`);
  await chmod(join(folder, "nix"), 0o755);
  const path = process.env["PATH"];
  process.env["PATH"] = `${folder}:${path}`;
  const key = generateSecretKey("allowed-1");
  const keyText = formatPublicKey(key.public);
  const keyFile = join(folder, "keys");
  const more = alsoAllowed.map(other => `${formatPublicKey(other.public)}\n`);
  await writeFile(keyFile, `# builders\n\n${keyText}\n${more.join("")}`, { mode: 0o644 });
  const socketPath = join(folder, "helper.sock");
  const log: HelperWorld["log"] = [];
  const note = (fields: LogFields, message: string) => void log.push({ fields, message });
  const helper = await startHelper({
    keyFile,
    socketPath,
    group: socketGroup().name,
    env: {},
    log: { info: note, warn: note },
    askingMs,
  });
  t.after(async () => {
    await helper.stop();
    process.env["PATH"] = path;
    await rm(folder, { recursive: true, force: true });
  });
  return {
    folder,
    socketPath,
    key,
    keyText,
    log,
    ask: question => askAt(socketPath, question),
    connect: () => connectTo(socketPath),
    nix: async () => JSON.parse(await readFile(report, "utf8")),
    stop: () => helper.stop(),
  };
}

async function connectTo(path: string): Promise<Socket> {
  const socket = connect({ path });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  socket.on("error", () => undefined);
  return socket;
}

/** Asks whoever listens there. */
export async function askAt(path: string, question: unknown): Promise<HelperAnswer | undefined> {
  const socket = await connectTo(path);
  socket.write(typeof question === "string" ? question : `${JSON.stringify(question)}\n`);
  return await answerOn(socket);
}

/** The answer on a connection, `undefined` if there is none. */
export async function answerOn(socket: Socket): Promise<HelperAnswer | undefined> {
  try {
    const line = await readLine(socket, 1 << 20, AbortSignal.timeout(60_000));
    return line === undefined ? undefined : JSON.parse(line);
  } finally {
    socket.destroy();
  }
}

/** The group that whoever tests may give a socket to. */
export function socketGroup(): { readonly name: string; readonly gid: number } {
  const mine = process.getgroups?.() ?? [];
  const groups = readFileSync("/etc/group", "utf8").split("\n");
  const known = groups.map(line => ({ name: line.split(":")[0] ?? "", gid: Number(line.split(":")[2]) }));
  const may = known.filter(({ name, gid }) => name !== "" && (process.getuid?.() === 0 || mine.includes(gid)));
  // Another than that of new files, where there is a choice.
  const found = may.find(({ gid }) => gid !== process.getgid?.()) ?? may[0];
  if (found === undefined) throw new Error("no group of this user is in /etc/group");
  return found;
}
