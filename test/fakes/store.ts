import { Failure } from "../../src/lib/failure.ts";
import { closure } from "../../src/nix/daemon/closure.ts";
import { StoppableSource } from "../../src/nix/daemon/stoppable.ts";
import { Turns } from "../../src/nix/daemon/turns.ts";
import { sha256 } from "../../src/nix/hash.ts";
import type { PathInfo } from "../../src/nix/path-info.ts";
import type {
  AddOptions,
  DerivedPath,
  MissingPaths,
  NarItem,
  NarsOptions,
  Store,
  StoreBuildOptions,
  StoreEvent,
  TargetOutcome,
} from "../../src/nix/store.ts";
import type { StorePath } from "../../src/nix/store-path.ts";
import { refused } from "./admit.ts";
import { FakeBuild } from "./build.ts";
import { chunksOf } from "./make-path.ts";
import type { FakeNix } from "./nix.ts";

/** One connection to a {@link FakeNix}. Runs `test/contract/store.ts` as the daemon's client does. */
export class FakeStore implements Store {
  readonly nixVersion: string;
  readonly trust: Store["trust"];
  readonly tempRoots = new Set<StorePath>();
  readonly #nix: FakeNix;
  readonly #closed = new AbortController();
  readonly #turns = new Turns();

  constructor(nix: FakeNix) {
    this.#nix = nix;
    this.nixVersion = nix.options.nixVersion;
    this.trust = nix.options.trust;
  }

  validPaths(paths: readonly StorePath[]): Promise<Set<StorePath>> {
    return this.#alone("validPaths", async () => new Set(paths.filter(path => this.#nix.valid.has(path))));
  }

  pathInfos(paths: readonly StorePath[]): Promise<(PathInfo | undefined)[]> {
    return this.#alone("pathInfos", async () => paths.map(path => this.#nix.valid.get(path)?.info));
  }

  async closure(paths: readonly StorePath[]): Promise<PathInfo[]> {
    return closure(paths, level => this.pathInfos(level));
  }

  addTempRoots(paths: readonly StorePath[]): Promise<void> {
    return this.#alone("addTempRoots", async () => {
      for (const path of paths) this.tempRoots.add(path);
    });
  }

  addIndirectRoot(link: string): Promise<void> {
    return this.#alone("addIndirectRoot", async () => {
      this.#nix.indirectRoots.add(link);
    });
  }

  async *nars(infos: readonly PathInfo[], { checkHash = true }: NarsOptions = {}): AsyncGenerator<NarItem> {
    const done = await this.#begin("nars");
    let complete = false;
    try {
      for (const info of infos) {
        let ended = false;
        yield { info, nar: this.#nar(info, checkHash, () => (ended = true)) };
        if (!ended) throw new Failure("failed", "this machine", `the archive of ${info.path} was not read to its end`);
      }
      complete = true;
    } finally {
      if (!complete) this.close();
      done();
    }
  }

  async *#nar(info: PathInfo, checkHash: boolean, ended: () => void): AsyncGenerator<Uint8Array> {
    const found = this.#nix.valid.get(info.path);
    if (!found) throw lost(`the path ${info.path} is not valid`);
    for await (const chunk of chunksOf(found.nar, 64 * 1024)) {
      this.#open();
      yield chunk;
    }
    if ((checkHash && sha256(found.nar) !== info.narHash) || found.nar.length !== info.narSize) {
      throw new Failure("hash-mismatch", "nix", `the archive of ${info.path} differs`, { reason: "connection-lost" });
    }
    ended();
  }

  async *add(items: AsyncIterable<NarItem>, options: AddOptions = {}): AsyncGenerator<StorePath> {
    const done = await this.#begin("add");
    const source = this.#stoppable(items);
    try {
      for (let item = await source.next(); item; item = await source.next()) {
        this.#nix.register(item.info, await this.#whole(item), options.dontCheckSignatures ?? false);
        this.tempRoots.add(item.info.path);
        yield item.info.path;
      }
      this.#open();
    } finally {
      source.stop();
      done();
    }
  }

  async #whole({ info, nar }: NarItem): Promise<Uint8Array> {
    const source = this.#stoppable(nar);
    const chunks: Uint8Array[] = [];
    for (let chunk = await source.next(); chunk; chunk = await source.next()) chunks.push(chunk);
    this.#open();
    return whole(info, chunks);
  }

  /** A source that ends when this store is closed, even if it never says anything. */
  #stoppable<T>(source: AsyncIterable<T>): StoppableSource<T> {
    const stoppable = new StoppableSource(source);
    this.#closed.signal.addEventListener("abort", () => stoppable.stop());
    return stoppable;
  }

  build(
    targets: readonly DerivedPath[],
    options: StoreBuildOptions,
    onEvent: (event: StoreEvent) => void,
  ): Promise<TargetOutcome[]> {
    this.#nix.builtWith.push(options);
    return this.#alone("build", () => new FakeBuild(this.#nix, options, onEvent, this.#closed.signal).run(targets));
  }

  queryMissing(targets: readonly DerivedPath[]): Promise<MissingPaths> {
    return this.#alone("queryMissing", async () => {
      const willBuild = new Set<StorePath>();
      const unknown = new Set<StorePath>();
      const visit = (drv: StorePath, outputs: readonly string[]): void => {
        if (!this.#nix.valid.has(drv)) return void unknown.add(drv);
        const paths = this.#nix.outputsOf(drv);
        if (outputs.every(name => this.#nix.valid.has(paths.get(name) as StorePath))) return;
        willBuild.add(drv);
        for (const [input, names] of this.#nix.derivation(drv).inputDerivations) visit(input, names);
      };
      for (const { drv, outputs } of targets) visit(drv, outputs);
      return { willBuild, willSubstitute: new Set<StorePath>(), unknown };
    });
  }

  outputPaths(drvs: readonly StorePath[]): Promise<Map<string, StorePath | undefined>[]> {
    return this.#alone("outputPaths", async () => {
      const unknown = drvs.find(drv => !this.#nix.valid.has(drv));
      if (unknown !== undefined) throw refused(`the path ${unknown} is not valid`);
      return drvs.map(drv => this.#nix.outputsOf(drv));
    });
  }

  close(): void {
    this.#nix.connections.delete(this);
    this.tempRoots.clear();
    this.#closed.abort(lost("it was closed"));
    this.#turns.end(this.#closed.signal.reason);
  }

  #open(): void {
    this.#closed.signal.throwIfAborted();
  }

  async #begin(what: string): Promise<() => void> {
    const done = await this.#turns.take();
    this.#nix.asked.push(what);
    return done;
  }

  async #alone<T>(what: string, operation: () => Promise<T>): Promise<T> {
    const done = await this.#begin(what);
    const closed = Promise.withResolvers<never>();
    const close = () => closed.reject(this.#closed.signal.reason);
    this.#closed.signal.addEventListener("abort", close);
    try {
      return await Promise.race([operation(), closed.promise]);
    } finally {
      this.#closed.signal.removeEventListener("abort", close);
      done();
    }
  }
}

function whole(info: PathInfo, chunks: readonly Uint8Array[]): Uint8Array {
  const nar = Buffer.concat(chunks);
  if (nar.length === info.narSize) return nar;
  const what = `the archive of ${info.path} has ${nar.length} bytes instead of ${info.narSize}`;
  throw new Failure("failed", "this machine", what, { reason: "nar-wrong-length" });
}

function lost(what: string): Failure {
  return new Failure("cancelled", "nix", `the connection to the fake Nix is gone: ${what}`, {
    reason: "connection-lost",
  });
}
