import type { Socket } from "node:net";
import { HELPER_LIMITS, type HelperAnswer, LineTooLong, readLine } from "../lib/helper-protocol.ts";
import type { Caller, CallerOf } from "./caller.ts";
import type { ImportOptions } from "./import.ts";
import type { AllowedKeys } from "./keys.ts";
import type { HelperLog } from "./log.ts";
import { checkQuestion, Refused } from "./question.ts";
import { TooManyWait } from "./turns.ts";

/** What answers questions. */
export interface Answering {
  readonly allowed: AllowedKeys;
  readonly log: HelperLog;
  readonly callerOf: CallerOf;
  /** Imports, in the turn of whose import it is. */
  readonly importPaths: (options: ImportOptions, whose: string, gone: AbortSignal) => Promise<void>;
  /** Time for a whole question to arrive, in milliseconds. */
  readonly askingMs: number;
  /** Fires when the helper stops. */
  readonly stopping: AbortSignal;
}

/** Hears one question, answers it and hangs up. Never rejects. Whatever runs for the caller ends when the caller goes away. */
export async function converse(socket: Socket, answering: Answering): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort(new CallerGone("the caller went away"));
  socket.on("error", leave).once("close", leave).once("end", leave);
  const started = performance.now();
  const fields: Fields = { key: null, allowed: false };
  const talk: Talk = { socket, fields, gone: gone.signal, caller: undefined };
  const answer = await hear(talk, answering).catch(error => refusalOf(error, answering, fields));
  // Who has gone cannot be found any more.
  const caller = await (talk.caller ?? (gone.signal.aborted ? undefined : answering.callerOf(socket)));
  const who = { uid: caller?.uid ?? null, gid: caller?.gid ?? null };
  const result = answer.ok ? (fields.ask === "key" ? "allowed" : "imported") : answer.message;
  const seconds = Math.round(performance.now() - started) / 1000;
  answering.log.info({ ...who, ...fields, result, seconds }, "request");
  socket.end(`${JSON.stringify(answer)}\n`, () => socket.destroy());
}

/** What the log says of a request beside who asked and how it ended. */
interface Fields {
  ask?: string;
  key: string | null;
  allowed: boolean;
  paths?: number;
}

interface Talk {
  readonly socket: Socket;
  readonly fields: Fields;
  readonly gone: AbortSignal;
  /** Looked up once there is a question, so that whoever only connects costs nothing. */
  caller: Promise<Caller | undefined> | undefined;
}

class CallerGone extends Error {
  override name = "CallerGone";
}

async function hear(talk: Talk, answering: Answering): Promise<HelperAnswer> {
  const { socket, fields, gone } = talk;
  const { allowed, importPaths, askingMs, stopping } = answering;
  const late = AbortSignal.timeout(askingMs);
  const line = await readLine(socket, HELPER_LIMITS.message, AbortSignal.any([late, stopping, gone]));
  if (line === undefined) throw new CallerGone("the caller asked nothing");
  // Or the end would never be seen.
  socket.resume();
  talk.caller = answering.callerOf(socket);
  const question = checkQuestion(line, allowed);
  Object.assign(fields, { ask: question.ask, key: question.key.name, allowed: true });
  if (question.ask === "key") return { ok: true };
  fields.paths = question.paths.length;
  // The real user: a program with another's rights that was handed the connection does not change whose it is. Who is not known shares one place.
  const caller = await talk.caller;
  await importPaths(
    question,
    caller === undefined ? "nobody known" : `user ${caller.realUid}`,
    AbortSignal.any([gone, stopping]),
  );
  return { ok: true };
}

function refusalOf(error: unknown, { stopping }: Answering, fields: Fields): HelperAnswer {
  const refused = stopping.aborted ? new Refused("stopping", "the import helper is stopping") : asRefusal(error);
  if (refused.keyName !== undefined) fields.key = refused.keyName;
  return { ok: false, reason: refused.reason, message: cut(refused.message) };
}

function asRefusal(error: unknown): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof LineTooLong)
    return new Refused("malformed", `the question has more than ${HELPER_LIMITS.message} bytes`);
  if (error instanceof TooManyWait) return new Refused("busy", error.message);
  if (error instanceof Error && error.name === "TimeoutError") {
    return new Refused("malformed", "no whole question came in time");
  }
  return new Refused("import-failed", error instanceof Error ? error.message : String(error));
}

/** In bytes, at the end of a character. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= HELPER_LIMITS.errorText) return text;
  return bytes
    .subarray(0, HELPER_LIMITS.errorText)
    .toString()
    .replace(/\ufffd+$/, "");
}
