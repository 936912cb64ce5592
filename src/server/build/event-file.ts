import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { BuildEvent } from "../../../gen/drvthru/v1/build_pb.js";
import { Notice } from "../notice.ts";
import { cut } from "../refusal.ts";
import { eventRecord, eventsOf, type Found, type NewEvent, readBatch, scanRecords } from "./event-records.ts";
import { Gathering } from "./gathering.ts";

const MAX_LINE = 64 * 1024;
/** Log lines that wait for a slow disk, in bytes; beyond it they are dropped. */
const MAX_PENDING = 4 * 1024 * 1024;
/** Bytes that do not wait for more. */
const ENOUGH = 256 * 1024;
/** Events that somebody acts upon; of all others a person sees no difference. */
const URGENT: ReadonlySet<NewEvent["case"]> = new Set(["queued", "started", "outputReady", "result"] as const);
/** Events of which a build itself can make any number. All others are as many as its derivations. */
const CHATTER: ReadonlySet<NewEvent["case"]> = new Set(["logLine", "derivationPhase", "progress"] as const);

/**
 * The events of one build: records in a file, each the length of an encoded `BuildEvent` in 4 bytes, low byte first, and the event. Appending never
 * waits and never fails; watchers read the file, each at its own speed. A build of a thousand small derivations says five thousand things, and to write, read
 * and send each by itself costs more than to build it elsewhere: so what comes within a short time is written together. Log lines beyond the byte limit are
 * dropped, and one line says so.
 */
export class EventFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #maxBytes: number;
  readonly #onError: (error: unknown) => void;
  readonly #gathering: Gathering;
  readonly #grown = new Notice();
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #bytes: number;
  #written: number;
  #seq: bigint;
  #ended: boolean;
  #dropped = false;

  private constructor(path: string, handle: FileHandle, options: EventFileOptions, found: Found) {
    this.#path = path;
    this.#handle = handle;
    this.#maxBytes = options.maxBytes;
    this.#onError = options.onError;
    this.#gathering = new Gathering(options.gatherTime);
    this.#bytes = found.bytes;
    this.#written = found.bytes;
    this.#seq = found.seq;
    this.#ended = found.ended;
  }

  /** Opens or makes the file. A record that a crash cut off is removed. */
  static async open(path: string, options: EventFileOptions): Promise<EventFile> {
    const handle = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const found = await scanRecords(handle);
    await handle.truncate(found.bytes);
    return new EventFile(path, handle, options, found);
  }

  /** Whether the result is in: nothing comes after it. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Adds an event, unless the result is in. */
  append(event: NewEvent): void {
    if (this.#ended) return;
    if (CHATTER.has(event.case) && this.#isFull()) this.#drop();
    else if (event.case !== "logLine") this.#push(event);
    else this.#push({ ...event, value: { ...event.value, text: cut(event.value.text ?? "", MAX_LINE) } });
    if (event.case === "result") this.#ended = true;
  }

  #isFull(): boolean {
    return this.#dropped || this.#bytes >= this.#maxBytes || this.#pendingBytes >= MAX_PENDING;
  }

  #drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    const text = "drv-thru: the log of this build is too long; the builder keeps no more of it";
    this.#push({ case: "logLine", value: { activity: 0n, text } });
  }

  #push(event: NewEvent): void {
    this.#seq += 1n;
    const record = eventRecord(this.#seq, event);
    this.#pending.push(record);
    this.#pendingBytes += record.length;
    this.#bytes += record.length;
    if (URGENT.has(event.case) || this.#pendingBytes >= ENOUGH) this.#gathering.hurry();
    this.#writing ??= this.#write();
  }

  async #write(): Promise<void> {
    let records: Uint8Array[] = [];
    try {
      while (this.#pending.length > 0) {
        await this.#gathering.wait();
        records = this.#pending;
        const bytes = Buffer.concat(records);
        this.#pending = [];
        const { bytesWritten } = await this.#handle.write(bytes, 0, bytes.length, this.#written);
        if (bytesWritten < bytes.length)
          throw Object.assign(new Error("the event file was written in part"), { code: "ENOSPC" });
        records = [];
        this.#written += bytes.length;
        this.#pendingBytes -= bytes.length;
        this.#grown.ring();
      }
    } catch (error) {
      // Written with what comes next, if there is room then; until then who watches has it from here.
      this.#pending = [...records, ...this.#pending];
      this.#onError(error);
    } finally {
      this.#writing = undefined;
      this.#grown.ring();
    }
  }

  /** Resolves when all that was appended is written. */
  async flushed(): Promise<void> {
    if (this.#writing !== undefined) this.#gathering.hurry();
    await this.#writing;
  }

  /** The events after a number in order, until the result. An empty batch says, after so many quiet milliseconds, that the watch is alive. */
  async *watch(after: bigint, keepAlive: number, signal: AbortSignal): AsyncGenerator<BuildEvent[]> {
    const file = await open(this.#path, "r");
    try {
      let offset = 0;
      let last = after;
      for (;;) {
        if (offset < this.#written) {
          const batch = await readBatch(file, offset, this.#written);
          offset = batch.end;
          const events = batch.events.filter(event => event.seq > last);
          last = events.at(-1)?.seq ?? last;
          if (events.length > 0) yield events;
        } else if (this.#ended && this.#writing === undefined) {
          const unwritten = eventsOf(this.#pending).filter(event => event.seq > last);
          if (unwritten.length > 0) yield unwritten;
          return;
        } else if (!(await this.#grown.wait(keepAlive, signal))) {
          yield [];
        }
      }
    } finally {
      await file.close();
    }
  }

  /** Writes what is left and closes the file. Watchers read on until the result. */
  async close(): Promise<void> {
    if (this.#pending.length > 0) this.#writing ??= this.#write();
    await this.flushed();
    await this.#handle.close();
  }
}

/** How an event file is kept. */
export interface EventFileOptions {
  /** Bytes beyond which log lines are dropped. */
  readonly maxBytes: number;
  /** What comes within so many milliseconds is written together. */
  readonly gatherTime: number;
  /** The file could not be written. */
  readonly onError: (error: unknown) => void;
}
