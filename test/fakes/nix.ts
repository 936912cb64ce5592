import { parseDerivation } from "../../src/nix/derivation.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import type { PublicKey } from "../../src/nix/signing-key.ts";
import type { BuildStatus, OpenStore, Store, StoreBuildOptions } from "../../src/nix/store.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { admit } from "./admit.ts";
import { fileNar, type MadePath, made } from "./make-path.ts";
import { FakeStore } from "./store.ts";

/** What a fake machine is like. */
export interface FakeNixOptions {
  readonly trust?: Store["trust"];
  readonly trustedKeys?: readonly PublicKey[];
  readonly nixVersion?: string;
}

/** What a scripted build may do. */
export interface BuildContext {
  /** Aborted when the connection is closed. */
  readonly signal: AbortSignal;
  log(line: string): void;
  phase(name: string): void;
  /** What Nix itself says. */
  say(text: string): void;
  /** Waits, or throws once the connection is closed. */
  sleep(milliseconds: number): Promise<void>;
  /** Makes an output; those that are not made hold the name of the derivation. */
  produce(output: string, content: string, references?: readonly StorePath[]): void;
}

/** A build: nothing returned is success. What it throws is the error of the whole operation. */
export type BuildScript = (
  build: BuildContext,
) => Promise<undefined | { readonly status: BuildStatus; readonly message: string }>;

/** A machine's Nix in memory: valid paths, scripts for builds, and connections to it. */
export class FakeNix {
  readonly options: Required<FakeNixOptions>;
  /** How each build was asked for. */
  readonly builtWith: StoreBuildOptions[] = [];
  readonly valid = new Map<StorePath, MadePath>();
  readonly scripts = new Map<StorePath, BuildScript>();
  readonly indirectRoots = new Set<string>();
  readonly connections = new Set<FakeStore>();
  /** What was asked, in order: a test may count it. */
  readonly asked: string[] = [];

  constructor({ trust = "untrusted", trustedKeys = [], nixVersion = "2.8.0" }: FakeNixOptions = {}) {
    this.options = { trust, trustedKeys, nixVersion };
  }

  /** Opens a connection. */
  readonly open: OpenStore = async signal => {
    signal?.throwIfAborted();
    const store = new FakeStore(this);
    this.connections.add(store);
    return store;
  };

  /** Makes paths valid without asking for proof. */
  seed(...paths: readonly MadePath[]): void {
    for (const path of paths) this.valid.set(path.info.path, path);
  }

  /** What building this derivation does; without one a build succeeds at once. */
  script(drv: StorePath, script: BuildScript): void {
    this.scripts.set(drv, script);
  }

  /** Registers a path as a daemon would; throws its refusal. */
  register(info: PathInfo, nar: Uint8Array, dontCheckSignatures: boolean): void {
    if (this.valid.has(info.path)) return;
    const needsProof = !(dontCheckSignatures && this.options.trust === "trusted");
    admit(info, nar, { isValid: path => this.valid.has(path), needsProof, trustedKeys: this.options.trustedKeys });
    this.valid.set(info.path, { info: { ...info, ultimate: false }, nar });
  }

  /** The output paths of a valid derivation. */
  outputsOf(drv: StorePath): Map<string, StorePath | undefined> {
    const { outputs } = this.derivation(drv);
    return new Map([...outputs].map(([name, output]) => [name, "path" in output ? output.path : undefined]));
  }

  /** A valid derivation, parsed. */
  derivation(drv: StorePath): ReturnType<typeof parseDerivation> {
    const nar = this.valid.get(drv)?.nar;
    if (!nar) throw new Error(`the path ${drv} is not valid`);
    return parseDerivation(nar.subarray(96, 96 + Number(Buffer.from(nar).readBigUInt64LE(88))));
  }

  /** Makes the output of a build valid. */
  produced(drv: StorePath, path: StorePath, content: string, references: readonly StorePath[]): void {
    const { info, nar } = made(path, fileNar(content), references);
    this.valid.set(path, { nar, info: { ...info, deriver: drv, ultimate: true } });
  }

  /** Forgets all that no connection roots. */
  collectGarbage(): void {
    const live = new Set<StorePath>();
    const keep = (path: StorePath): void => {
      if (live.has(path)) return;
      live.add(path);
      for (const reference of this.valid.get(path)?.info.references ?? []) keep(reference);
    };
    for (const connection of this.connections) for (const root of connection.tempRoots) keep(root);
    for (const path of [...this.valid.keys()]) if (!live.has(path)) this.valid.delete(path);
  }
}
