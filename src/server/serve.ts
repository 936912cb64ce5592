import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { EndpointId } from "../lib/ids.ts";
import { checkPath } from "../lib/unix-path.ts";
import { openDaemon } from "../nix/daemon/open.ts";
import { formatPublicKey } from "../nix/signing-key.ts";
import type { OpenStore } from "../nix/store.ts";
import { openState } from "../state/open.ts";
import { sealingKey } from "../tickets/seal.ts";
import { adoptUnix, listenUnix } from "../transport/unix.ts";
import { type Assembly, assemble } from "./assemble.ts";
import type { BuilderConfig } from "./config.ts";
import { ConfigReload } from "./config-reload.ts";
import { leftBehind, prepareDataFolder } from "./data-folder.ts";
import { type DrainLimits, drainBuilds, quietCalls } from "./drain.ts";
import { type BuilderEndpoint, bindBuilder } from "./iroh.ts";
import { loadKeys } from "./keys.ts";
import { DEFAULT_LIMITS, type ServerLimits } from "./limits.ts";
import { stderrLog } from "./log.ts";
import { askMachine, sandboxWarning } from "./machine.ts";
import type { Sessions } from "./sessions.ts";

/** How a builder is to run. */
export interface BuilderOptions {
  readonly config: BuilderConfig;
  /** The administrator's socket. Default: `builder.sock` in the data folder. */
  readonly socketPath?: string | undefined;
  /** Descriptors of sockets that are listened on already: whoever may open one is an administrator too. */
  readonly passedSockets?: readonly number[] | undefined;
  readonly limits?: Partial<ServerLimits> | undefined;
  readonly drain?: Partial<DrainLimits> | undefined;
  /** Default: JSON lines on stderr. */
  readonly log?: Logger | undefined;
}

/** What people must know of a running builder, as it is now. */
export interface BuilderInfo {
  readonly endpointId: EndpointId;
  /** The Nix signing key as name:base64. */
  readonly signingKey: string;
  readonly dataFolder: string;
  readonly socketPath: string;
  /** `ADDR:PORT` texts. */
  readonly addresses: readonly string[];
  /** The relay, if one is reached. */
  readonly relayUrls: readonly string[];
}

/** A running builder. */
export interface Builder {
  info(): BuilderInfo;
  /** Reads its configuration again from this file; what it says to that goes to the log. A bad file changes nothing. Never rejects. */
  reload(file: string): Promise<void>;
  /** Drains and stops: running builds end within a limit, new ones are refused. Once the signal is aborted it stops at once. May be repeated. */
  stop(atOnce?: AbortSignal): Promise<void>;
}

const DRAIN: DrainLimits = { builds: 600_000, fetches: 30_000 };
/** Time for calls to end when the builder closes, in milliseconds. */
const CLOSE = 2_000;

/** Starts a builder: keys, state, services, endpoint and socket. Throws a `Failure` that says what to do. */
export async function startBuilder(options: BuilderOptions): Promise<Builder> {
  const { config, log = stderrLog() } = options;
  const { dataFolder } = config;
  const socketPath = resolve(options.socketPath ?? join(dataFolder, "builder.sock"));
  checkPath(socketPath);
  prepareDataFolder(dataFolder);
  await using opened = new AsyncDisposableStack();
  const left = leftBehind(dataFolder);
  if (left !== undefined) log.warn(left);
  const state = await openState(dataFolder);
  opened.defer(() => state.close());
  const keys = await loadKeys(dataFolder, config.secretKeyFile);
  const openStore: OpenStore = signal => openDaemon({ signal });
  const machine = await askMachine(openStore);
  const warning = sandboxWarning(machine);
  if (warning !== undefined) log.warn(warning);
  const endpoint = await bindBuilder(config, keys.iroh);
  opened.defer(() => endpoint.close());
  if (endpoint.passedOver !== undefined)
    log.warn({ because: endpoint.passedOver }, "the native Iroh addon is not used");
  const limits = limitsOf(options);
  const trustedClients = new Map(config.trustedClients);
  const assembly = await assemble({
    state,
    openStore,
    machine,
    limits,
    dataFolder,
    signingKey: keys.signing,
    sealingKey: sealingKey(keys.iroh),
    trustedClients,
    endpoint: endpoint.id,
    iroh: endpoint.iroh,
    addresses: () => endpoint.reachable(),
    log,
  });
  opened.defer(() => assembly.services.close());
  const local = [await listenUnix(socketPath, { mode: 0o600 })];
  opened.defer(async () => void (await Promise.all(local.map(session => session.close()))));
  for (const descriptor of options.passedSockets ?? []) local.push(await adoptUnix(descriptor));
  for (const session of local) assembly.sessions.take(session);
  void acceptAll(endpoint, assembly.sessions, log);
  const signingKey = formatPublicKey(keys.signing.public);
  const info = () => ({ endpointId: endpoint.id, signingKey, dataFolder, socketPath, ...endpoint.reachable() });
  const reload = new ConfigReload({ config, trustedClients, limits, services: assembly.services, log });
  return new RunningBuilder(info, reload, assembly, { ...DRAIN, ...options.drain }, opened.move());
}

function limitsOf({ config, limits }: BuilderOptions): ServerLimits {
  const { maxConcurrentBuilds, recentBuildsLimit, outputCacheMaxParallelFills, outputCacheMaxBytes } = config;
  const keepBuilds = Math.max(DEFAULT_LIMITS.keepBuilds, recentBuildsLimit);
  return {
    ...DEFAULT_LIMITS,
    maxConcurrentBuilds,
    recentBuilds: recentBuildsLimit,
    keepBuilds,
    maxCacheFills: outputCacheMaxParallelFills ?? DEFAULT_LIMITS.maxCacheFills,
    // null is no limit; absent is the default.
    maxCacheBytes: outputCacheMaxBytes === null ? undefined : (outputCacheMaxBytes ?? DEFAULT_LIMITS.maxCacheBytes),
    ...limits,
  };
}

async function acceptAll(endpoint: BuilderEndpoint, sessions: Sessions, log: Logger): Promise<void> {
  try {
    for (let session = await endpoint.accept(); session; session = await endpoint.accept()) sessions.take(session);
  } catch (error) {
    log.fatal({ err: error }, "the endpoint accepts no more connections; restart the builder");
  }
}

class RunningBuilder implements Builder {
  readonly info: () => BuilderInfo;
  readonly #reload: ConfigReload;
  readonly #assembly: Assembly;
  readonly #limits: DrainLimits;
  readonly #opened: AsyncDisposableStack;
  readonly #atOnce = new AbortController();
  #stopping: Promise<void> | undefined;
  #reloading: Promise<void> = Promise.resolve();

  constructor(
    info: () => BuilderInfo,
    reload: ConfigReload,
    assembly: Assembly,
    limits: DrainLimits,
    opened: AsyncDisposableStack,
  ) {
    this.info = info;
    this.#reload = reload;
    this.#assembly = assembly;
    this.#limits = limits;
    this.#opened = opened;
  }

  reload(file: string): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload.from(file));
    return this.#reloading;
  }

  stop(atOnce?: AbortSignal): Promise<void> {
    if (atOnce?.aborted) this.#atOnce.abort();
    atOnce?.addEventListener("abort", () => this.#atOnce.abort(), { once: true });
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { services, sessions } = this.#assembly;
    await drainBuilds(services.builds, this.#limits, this.#atOnce.signal);
    await quietCalls(sessions, this.#limits, this.#atOnce.signal);
    await Promise.race([sessions.close(CLOSE), aborted(this.#atOnce.signal)]);
    await this.#opened.disposeAsync();
  }
}

/** Resolves a moment after the signal: what was told may still arrive. */
async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener("abort", resolve, { once: true }));
  await sleep(100);
}
