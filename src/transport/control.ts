import type { Control } from "../../gen/drvthru/transport/v1/frames_pb.js";
import { type ReadHalf, type Session, StreamCode, type WriteHalf } from "../lib/stream.ts";
import { concat, FrameDecoder, FrameError, FrameType } from "./frames.ts";
import { decodeControl, encodeControl } from "./messages.ts";

/** How a peer whose connection lives but whose program hangs is found out. Asked only while calls are under way. */
export interface Liveness {
  /** Milliseconds between two questions. Default 10,000. */
  readonly everyMs: number;
  /** Questions in a row without an answer after which the session is given up. Default 3. */
  readonly misses: number;
}

/** Liveness where the caller says nothing. */
const defaultLiveness: Liveness = { everyMs: 10_000, misses: 3 };

/** What the owner of a control channel hears and is asked. */
export interface ControlEvents {
  /** The peer gave up a call. */
  cancelled?(callId: bigint, code: number): void;
  /** The peer takes no new calls. */
  goAway?(reason: string): void;
  /** Whether anything is under way that a hung peer would block. */
  busy(): boolean;
}

/** The control streams of a session, one each way. */
export interface ControlChannel {
  cancel(callId: bigint, code: number): void;
  goAway(reason: string): void;
}

const silent: ControlChannel = { cancel: () => undefined, goAway: () => undefined };
const maxReasonBytes = 256;

/** Opens and answers the control streams of a session; one without them (`calls: "one"`) gets a channel that says nothing. */
export function openControl(
  session: Session,
  events: ControlEvents,
  liveness: Liveness = defaultLiveness,
): ControlChannel {
  return session.calls === "many" ? new ControlStreams(session, events, liveness) : silent;
}

class ControlStreams implements ControlChannel {
  readonly #session: Session;
  readonly #events: ControlEvents;
  readonly #liveness: Liveness;
  /** Kept for the session's life: a carrier may end a stream whose object is collected. */
  #out: Promise<WriteHalf> | undefined;
  #queue: Uint8Array[] = [];
  /** The last question to answer. One is enough, so a flood of questions takes no memory. */
  #pong: bigint | undefined;
  #writing = false;
  #token = 0n;
  #missed = 0;

  constructor(session: Session, events: ControlEvents, liveness: Liveness) {
    this.#session = session;
    this.#events = events;
    this.#liveness = liveness;
    const timer = setInterval(() => this.#tick(), liveness.everyMs).unref();
    void session.closed.then(() => clearInterval(timer));
    void this.#accept();
  }

  cancel(callId: bigint, code: number): void {
    this.#say(encodeControl({ case: "cancel", value: { callId, code } }));
  }

  goAway(reason: string): void {
    this.#say(encodeControl({ case: "goAway", value: { reason: reason.slice(0, maxReasonBytes / 4) } }));
  }

  /** Counts questions, not time: after this process itself was stopped for a while it asks again before it judges. */
  #tick(): void {
    if (!this.#events.busy()) {
      this.#missed = 0;
      return;
    }
    if (this.#missed >= this.#liveness.misses) {
      void this.#session.close(StreamCode.internal, "no answer from the other side's program");
      return;
    }
    this.#missed++;
    this.#token++;
    this.#say(encodeControl({ case: "ping", value: { token: this.#token } }));
  }

  #say(frame: Uint8Array): void {
    this.#queue.push(frame);
    this.#flush();
  }

  #flush(): void {
    if (this.#writing) return;
    this.#writing = true;
    this.#write().then(
      () => {
        this.#writing = false;
      },
      () => {
        // The control stream broke: with it the session, which tells every call by itself.
        void this.#session.close(StreamCode.internal, "control stream broken");
      },
    );
  }

  async #write(): Promise<void> {
    this.#out ??= this.#session.openUni();
    const out = await this.#out;
    while (this.#queue.length > 0 || this.#pong !== undefined) {
      const frames = this.#queue.splice(0);
      if (this.#pong !== undefined) frames.push(encodeControl({ case: "pong", value: { token: this.#pong } }));
      this.#pong = undefined;
      await out.write(concat(frames));
    }
  }

  async #accept(): Promise<void> {
    try {
      const first = await this.#session.acceptUni();
      if (first === undefined) return;
      void this.#refuseFurther();
      await this.#listen(first);
    } catch {
      await this.#session.close(StreamCode.internal, "control stream broken");
    }
  }

  async #refuseFurther(): Promise<void> {
    for (;;) {
      const another = await this.#session.acceptUni().catch(() => undefined);
      if (another === undefined) return;
      another.stop(StreamCode.refused);
    }
  }

  async #listen(half: ReadHalf): Promise<void> {
    const decoder = new FrameDecoder();
    for (;;) {
      const bytes = await half.read();
      if (bytes === undefined) return;
      for (const frame of decoder.feed(bytes)) {
        if (frame.type !== FrameType.control) throw new FrameError("frame of a call on the control stream");
        this.#hear(decodeControl(frame.payload));
      }
    }
  }

  #hear(say: Control["say"]): void {
    if (say.case === "cancel") this.#events.cancelled?.(say.value.callId, say.value.code);
    else if (say.case === "goAway") this.#events.goAway?.(say.value.reason.slice(0, maxReasonBytes));
    else if (say.case === "pong" && say.value.token === this.#token) this.#missed = 0;
    else if (say.case === "ping") {
      this.#pong = say.value.token;
      this.#flush();
    }
  }
}
