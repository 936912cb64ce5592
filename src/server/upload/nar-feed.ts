import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import type { NarItem } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import { admittedInfo, corrupt } from "../admission.ts";
import { Channel } from "../channel.ts";
import { malformed } from "../path-infos.ts";
import { refuse } from "../refusal.ts";
import { provenNar } from "./byte-proof.ts";
import type { Inputs } from "./inputs.ts";
import type { Named } from "./named-paths.ts";
import type { Transfer } from "./transfers.ts";

/** Most announced paths of a stream that are not yet sent in full. */
const MAX_ANNOUNCED = 8_192;
/** Pieces of a NAR between the network and the daemon. */
const PIECES = 2;

/** Cuts the bytes of a Put stream into the NARs that it announced, and hands them on as items for the store as they come. */
export class NarFeed {
  readonly items = new Channel<NarItem>(1);
  readonly #inputs: Inputs;
  readonly #transfer: Transfer;
  readonly #referenceTime: number;
  readonly #announced: Named[] = [];
  readonly #begun = new Set<StorePath>();
  #current: { readonly named: Named; readonly pieces: Channel<Uint8Array>; left: number } | undefined;

  /** `referenceTime`: how long a path waits for its references on other streams of the build, in milliseconds. */
  constructor(inputs: Inputs, transfer: Transfer, referenceTime: number) {
    this.#inputs = inputs;
    this.#transfer = transfer;
    this.#referenceTime = referenceTime;
  }

  /** Paths whose NARs come next. Throws a refusal. */
  announce(paths: readonly Named[]): void {
    if (this.#announced.length + paths.length > MAX_ANNOUNCED) {
      throw refuse(Reason.LIMIT, Code.ResourceExhausted, `more than ${MAX_ANNOUNCED} paths are announced and not sent`);
    }
    this.#announced.push(...paths);
    const coming = this.#announced.reduce((sum, named) => sum + named.info.narSize, this.#current?.left ?? 0);
    this.#inputs.checkLimit(coming, this.#inputs.received + coming);
    for (const { info } of paths) this.#transfer.want(info.path);
  }

  /** The next bytes. Resolves when there is room for more. Throws a refusal. */
  async feed(bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      this.#current ??= await this.#begin(signal);
      const piece = rest.subarray(0, this.#current.left);
      rest = rest.subarray(piece.length);
      this.#inputs.receive(piece.length);
      this.#transfer.progress(piece.length);
      this.#current.left -= piece.length;
      const { pieces, left } = this.#current;
      const sent = pieces.send(piece);
      if (left === 0) {
        pieces.end();
        this.#current = undefined;
      }
      await sent;
    }
  }

  async #begin(signal: AbortSignal) {
    const named = this.#announced.shift();
    if (named === undefined) throw malformed("the stream has more bytes than the announced paths");
    await this.#references(named, signal);
    const { info, proof } = named;
    const pieces = new Channel<Uint8Array>(PIECES);
    const nar = provenNar(info, proof, this.#watched(info.path, pieces));
    await this.items.send({ info: admittedInfo(info, proof), nar });
    this.#begun.add(info.path);
    return { named, pieces, left: info.narSize };
  }

  /** The daemon wants the references of a path first; those that travel on another stream may be on their way. */
  async #references({ info }: Named, signal: AbortSignal): Promise<void> {
    const lacking = () =>
      info.references.find(path => path !== info.path && !this.#begun.has(path) && !this.#inputs.has(path));
    const until = performance.now() + this.#referenceTime;
    while (lacking() !== undefined) {
      const left = until - performance.now();
      if (left > 0 && (await this.#inputs.arrived.wait(left, signal))) continue;
      throw refuse(Reason.PATH_NOT_NAMED, Code.FailedPrecondition, `${info.path} was sent before ${lacking()}`, {
        subject: info.path,
      });
    }
  }

  /** Tells the transfer while the store waits for the peer, not while the peer waits for the store. */
  async *#watched(path: StorePath, pieces: Channel<Uint8Array>): AsyncGenerator<Uint8Array> {
    for (;;) {
      if (pieces.empty && this.#current?.pieces === pieces) this.#transfer.wait(path);
      const taken = await pieces.take(1);
      this.#transfer.progress();
      if (taken === undefined) return;
      yield* taken;
    }
  }

  /** The stream has ended. Throws a refusal if a NAR is not complete. */
  end(): void {
    const cut = this.#current?.named ?? this.#announced[0];
    if (cut !== undefined) throw corrupt(cut.info.path, "they end early");
    this.items.end();
  }

  /** Gives up: whatever is under way is not added. */
  fail(error: unknown): void {
    this.#current?.pieces.fail(error);
    this.items.fail(error);
  }
}
