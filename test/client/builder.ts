import { randomBytes } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type ConnectRouter, createConnectRouter, type ServiceImpl } from "@connectrpc/connect";
import {
  Build,
  type BuildEventSchema,
  BuildOutcome,
  type BuildRecord,
  BuildRecordSchema,
  BuildState,
  type BuildTarget,
} from "../../gen/drvthru/v1/build_pb.js";
import { Cache } from "../../gen/drvthru/v1/cache_pb.js";
import { CredentialKind, Reason } from "../../gen/drvthru/v1/common_pb.js";
import { Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import { Upload } from "../../gen/drvthru/v1/upload_pb.js";
import type { Dial, Dialled, PathListener } from "../../src/client/connection/dial.ts";
import type { EndpointId } from "../../src/lib/ids.ts";
import type { Session } from "../../src/lib/stream.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import { formatPublicKey, generateSecretKey, type SecretKey, signPath } from "../../src/nix/signing-key.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { verifyProof } from "../../src/tickets/verify-proof.ts";
import { routerOptions } from "../../src/transport/limits.ts";
import { serveSession } from "../../src/transport/server.ts";
import type { MadePath } from "../fakes/make-path.ts";
import { type MemoryPair, memoryPair } from "../fakes/memory-session.ts";
import { FakeNix } from "../fakes/nix.ts";
import { cacheOf, refusal, type Transfers, uploadOf } from "./builder-transfers.ts";

type EventInit = NonNullable<MessageInitShape<typeof BuildEventSchema>["event"]>;

/** A build at the fake builder. */
export interface FakeBuildRecord {
  readonly record: BuildRecord;
  readonly events: EventInit[];
  /** Wakes those that watch. */
  changed: () => void;
  change: Promise<void>;
}

/** A builder that speaks the wire and trusts everybody: a test scripts what it does, also what no honest builder does. */
export class FakeBuilder {
  readonly endpointId: EndpointId;
  readonly key: SecretKey = generateSecretKey("drv-thru-test");
  readonly nix = new FakeNix();
  readonly builds = new Map<string, FakeBuildRecord>();
  /** What was called, in order. */
  readonly calls: string[] = [];
  readonly sessions: MemoryPair[] = [];
  readonly cancelled: string[] = [];
  readonly presented = new Set<string>();
  readonly uploaded: StorePath[] = [];
  /** Sees each call as it comes. */
  onCall: (name: string) => void = () => undefined;
  /** Tells the client of the last connection that its bytes go another way. */
  changePath: PathListener = () => undefined;
  /** Wished for beside what is missing. */
  wishes: StorePath[] = [];
  systems = ["x86_64-linux"];
  /** Thrown by the next call of that name. */
  readonly failNext = new Map<string, unknown>();
  /** What a started build does; by default everything is built at once. */
  run: (build: FakeBuildRecord) => Promise<void> = async build => this.buildAll(build);
  /** The infos that `Closure` tells; by default the signed truth. */
  tell: (infos: PathInfo[]) => PathInfo[] = infos => infos.map(info => this.signed(info));
  /** The bytes that `Fetch` sends; by default the truth. */
  bytesOf: (path: MadePath) => Uint8Array = path => path.nar;
  readonly asked: { path: string; offset: number; from: number; sent: number }[] = [];
  readonly fetched: string[] = [];
  /** Sends a piece of a fetch; by default at once. */
  send: Transfers["send"] = async function* (part) {
    yield { parts: [part] };
  };
  /** The file that a NAR is sent as; by default compressed. */
  fileOf: (nar: Uint8Array) => Uint8Array = nar => zstdCompressSync(nar);

  /** `endpointId`: where it is served by a carrier that proves another than a random one. */
  constructor(endpointId = randomBytes(32).toString("hex") as EndpointId) {
    this.endpointId = endpointId;
  }

  /** Answers on a session of any carrier. */
  serve(session: Session): void {
    serveSession(session, this.#handlers({ builder: this.endpointId, connection: session.peer as EndpointId }));
  }

  /** Reaches this builder in memory. */
  readonly dial: Dial = async () => {
    const pair = memoryPair({ serverId: this.endpointId, clientId: randomBytes(32).toString("hex") });
    this.sessions.push(pair);
    this.serve(pair.server);
    const watchPath: Dialled["watchPath"] = listener => {
      this.changePath = listener;
    };
    return { session: pair.client, path: () => "relay", watchPath, close: () => pair.close() };
  };

  get signingKey(): string {
    return formatPublicKey(this.key.public);
  }

  signed(info: PathInfo): PathInfo {
    return { ...info, signatures: [signPath(info, this.key)] };
  }

  tellEvent(build: FakeBuildRecord, ...events: EventInit[]): void {
    build.events.push(...events);
    build.changed();
    const { promise, resolve } = Promise.withResolvers<void>();
    build.change = promise;
    build.changed = resolve;
  }

  /** Builds every derivation that the targets need, and says what an honest builder says. */
  buildAll(build: FakeBuildRecord): void {
    this.tellEvent(build, { case: "started", value: {} });
    for (const target of build.record.targets) {
      const drv = target.drvPath as StorePath;
      this.#realise(drv);
      this.tellEvent(
        build,
        { case: "derivationStarted", value: { activity: 1n, path: drv } },
        { case: "logLine", value: { activity: 1n, text: "hello \u001b[31mred\u001b[0m" } },
        { case: "derivationFinished", value: { activity: 1n } },
      );
      this.announce(build, target);
    }
    this.end(build, BuildOutcome.BUILT);
  }

  announce(build: FakeBuildRecord, { drvPath, outputs }: BuildTarget): void {
    for (const { name, path } of outputs)
      this.tellEvent(build, { case: "outputReady", value: { drvPath, name, path } });
  }

  end(build: FakeBuildRecord, outcome: BuildOutcome, message = ""): void {
    const targets = build.record.targets.map(({ drvPath }) => ({ drvPath, outcome, message }));
    build.record.state = BuildState.FINISHED;
    this.tellEvent(build, { case: "result", value: { outcome, message, targets, buildMilliseconds: 7n } });
  }

  #realise(drv: StorePath): void {
    const { inputDerivations, outputs } = this.nix.derivation(drv);
    for (const input of inputDerivations.keys()) this.#realise(input);
    const references = [...inputDerivations.keys()].flatMap(input => [...this.nix.outputsOf(input).values()]);
    for (const [name, output] of outputs) {
      if (!("path" in output)) continue;
      this.nix.produced(
        drv,
        output.path,
        `${name} of ${drv}`,
        references.filter(path => path !== undefined),
      );
    }
  }

  #handlers(ends: { builder: EndpointId; connection: EndpointId }) {
    const router: ConnectRouter = createConnectRouter(routerOptions);
    router.service(Tickets, this.#tickets(ends));
    router.service(Build, this.#build());
    router.service(Upload, uploadOf(this));
    router.service(Cache, cacheOf(this));
    return router.handlers;
  }

  called(name: string): void {
    this.calls.push(name);
    this.onCall(name);
    const error = this.failNext.get(name);
    this.failNext.delete(name);
    if (error !== undefined) throw error;
  }

  #tickets(ends: { builder: EndpointId; connection: EndpointId }): Partial<ServiceImpl<typeof Tickets>> {
    return {
      present: ({ proofs }) => {
        this.called("present");
        for (const { kind, publicKey, signature } of proofs) {
          const word = kind === CredentialKind.TICKET ? "ticket" : "client-key";
          if (!verifyProof({ kind: word, publicKey, signature }, ends)) throw refusal(Reason.BAD_PROOF, "bad proof");
          this.presented.add(`${word}:${Buffer.from(publicKey).toString("hex")}`);
        }
        return {
          acceptedAs: "ticket:friend",
          kind: CredentialKind.TICKET,
          signingKey: this.signingKey,
          systems: this.systems,
          builderVersion: "9.9.9",
          maxPutStreams: 4,
        };
      },
    };
  }

  #build(): Partial<ServiceImpl<typeof Build>> {
    const known = (id: Uint8Array) => {
      const build = this.builds.get(Buffer.from(id).toString("hex"));
      if (build === undefined) throw refusal(Reason.BUILD_UNKNOWN, "no such build");
      return build;
    };
    const called = (name: string) => this.called(name);
    return {
      open: ({ buildId, targets, installable }) => {
        this.called("open");
        const id = Buffer.from(buildId).toString("hex");
        const record = create(BuildRecordSchema, { buildId, targets, installable, state: BuildState.RESERVED });
        const { promise, resolve } = Promise.withResolvers<void>();
        if (!this.builds.has(id)) this.builds.set(id, { record, events: [], change: promise, changed: resolve });
        return { build: known(buildId).record };
      },
      get: ({ buildId }) => {
        this.called("get");
        return { build: known(buildId).record };
      },
      list: () => {
        this.called("list");
        return { builds: [...this.builds.values()].map(build => build.record) };
      },
      start: ({ buildId }) => {
        this.called("start");
        const build = known(buildId);
        build.record.state = BuildState.RUNNING;
        void this.run(build);
        return { build: build.record };
      },
      cancel: ({ buildId }) => {
        this.called("cancel");
        this.cancelled.push(Buffer.from(buildId).toString("hex"));
        return { build: known(buildId).record };
      },
      async *watch({ buildId, after }, { signal }) {
        called("watch");
        const build = known(buildId);
        const ended = new Promise<void>(resolve => signal.addEventListener("abort", () => resolve()));
        for (let seq = Number(after); !signal.aborted; ) {
          const { change } = build;
          const events = build.events.slice(seq).map(event => ({ seq: BigInt(++seq), event }));
          yield { events };
          if (build.events.at(-1)?.case === "result" && seq === build.events.length) return;
          if (seq === build.events.length) await Promise.race([change, ended]);
        }
      },
    };
  }
}
