import type { BuildId } from "../../lib/ids.ts";
import type { PublicKey } from "../../nix/signing-key.ts";
import type { OpenStore, Store } from "../../nix/store.ts";
import type { StorePath } from "../../nix/store-path.ts";
import type { Carrier } from "../connection/carrier.ts";
import type { Connection } from "../connection/connection.ts";
import type { Destination } from "../connection/destination.ts";
import type { Dial } from "../connection/dial.ts";
import type { Identity } from "../connection/identity.ts";
import type { BuildEvent } from "../events.ts";
import type { Environment } from "../paths.ts";
import type { RunNix } from "../plan/nix-process.ts";
import type { Plan } from "../plan/plan.ts";
import type { BuildRequest } from "../request.ts";
import type { ImportRight } from "../trust.ts";
import type { Activities } from "./activities.ts";
import type { BuildEnd } from "./build-end.ts";
import type { Ledger } from "./ledger.ts";
import type { NoteKey, Notes } from "./notes.ts";

/** What a build uses of the world; a test brings its own. */
export interface Surroundings {
  readonly openStore: OpenStore;
  readonly dial: Dial;
  readonly runNix: RunNix;
  readonly env: Environment;
  /** Where the import helper listens, if there is one. */
  readonly helperSocket: string;
  /** Resolves once an evaluation has taken longer than it does where there is nothing to build; rejects when the signal fires. */
  readonly notQuick: (signal: AbortSignal) => Promise<void>;
  /** Waits so many milliseconds; rejects when the signal fires. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** A connection that was begun before it was needed. */
export interface JobAhead {
  /** The connection for whoever closes it, once; `undefined` where it is not begun. */
  take(): Promise<Connection> | undefined;
}

/** The outputs of a job on their way here. */
export interface JobDownloads {
  readonly build: BuildId;
  /** Over which connection they come now. */
  readonly carrier: Carrier;
  /** Settles when all that was told is here; rejects with what no other connection would mend. */
  readonly finished: Promise<void>;
  /** Bytes that have come over the wire. */
  readonly wireBytes: number;
  /** An output is ready. Once each, however often a builder says so. */
  tell(path: StorePath): void;
  /** All outputs are told. */
  noMore(): void;
  /** Ends what goes on, and waits until it has. */
  stop(reason: unknown): Promise<void>;
}

/** A build that needs the builder, as it outlives its connections. */
export interface Job {
  readonly around: Surroundings;
  readonly request: BuildRequest;
  readonly signal: AbortSignal;
  readonly emit: (event: BuildEvent) => void;
  readonly destination: Destination;
  readonly identity: Identity;
  /** The connection that was begun while Nix evaluated. */
  readonly ahead: JobAhead | undefined;
  readonly plan: Plan;
  readonly notes: Notes;
  readonly noteKey: NoteKey;
  readonly ledger: Ledger;
  readonly activities: Activities;
  /** The key whose signatures count, once it is decided. */
  key: PublicKey | undefined;
  right: ImportRight | undefined;
  /** Decides both from the key; throws if this user could not import. */
  readonly decide: (key: PublicKey) => Promise<ImportRight>;
  build: BuildId | undefined;
  /** Whether the build is one of an earlier run. */
  attached: boolean;
  /** Number of the last event that was seen. */
  lastSeq: bigint;
  /** The result, once it was seen. */
  end: BuildEnd | undefined;
  /** Requested outputs that are valid here. */
  readonly done: Set<StorePath>;
  /** What takes outputs into the store here, once the build is opened. */
  downloads: JobDownloads | undefined;
  /** Where outputs are imported; its temporary roots hold them until the end. */
  importer: Store | undefined;
}
