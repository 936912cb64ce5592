import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Client, createClient } from "@connectrpc/connect";
import { type Logger, pino } from "pino";
import { Build } from "../../gen/drvthru/v1/build_pb.js";
import { Cache } from "../../gen/drvthru/v1/cache_pb.js";
import { Status } from "../../gen/drvthru/v1/status_pb.js";
import { Upload } from "../../gen/drvthru/v1/upload_pb.js";
import type { ClientId, EndpointId, TicketId } from "../../src/lib/ids.ts";
import type { BuildSettings } from "../../src/nix/settings.ts";
import { generateSecretKey } from "../../src/nix/signing-key.ts";
import { DEFAULT_LIMITS, type ServerLimits } from "../../src/server/limits.ts";
import type { TrustedClient } from "../../src/server/present.ts";
import type { Gate, Principal } from "../../src/server/principal.ts";
import { serveConnection } from "../../src/server/serve-connection.ts";
import { createServices, type Services } from "../../src/server/services.ts";
import { openState } from "../../src/state/open.ts";
import type { State } from "../../src/state/state.ts";
import { clientDefaults } from "../../src/tickets/limits.ts";
import { connectTransport } from "../../src/transport/client.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { FakeNix, type FakeNixOptions } from "../fakes/nix.ts";
import { randomId } from "./calls.ts";

/** How a world is. */
export interface WorldOptions {
  readonly nix?: FakeNixOptions;
  readonly limits?: Partial<ServerLimits>;
  readonly building?: Partial<BuildSettings>;
  /** What its data folder has before it starts. */
  readonly before?: (folder: string) => Promise<void>;
  readonly log?: Logger;
}

/** A client's connection. */
export interface Connected {
  readonly principal: Principal;
  kill(): void;
  readonly build: Client<typeof Build>;
  readonly upload: Client<typeof Upload>;
  readonly cache: Client<typeof Cache>;
  readonly status: Client<typeof Status>;
}

/** What a ticket permits. */
export interface TicketLimits {
  readonly uses?: number | undefined;
  readonly maxUploadBytes?: number;
  readonly maxBuildSeconds?: number;
  /** In milliseconds. Default: an hour. */
  readonly expiresIn?: number;
  readonly boundClient?: ClientId;
}

/** A builder in memory over a fake Nix: its services are reached as over the network. */
export class World {
  readonly folder: string;
  readonly nix: FakeNix;
  signingKey = generateSecretKey("builder-1");
  readonly limits: ServerLimits;
  readonly log: Logger;
  readonly building: BuildSettings;
  readonly trustedClients = new Map<ClientId, TrustedClient>();
  readonly drain = new AbortController();
  readonly #connections: Connected[] = [];
  readonly #crashed: Services[] = [];
  #clock = 0;
  #state: State | undefined;
  #services: Services | undefined;

  constructor(folder: string, options: WorldOptions) {
    this.folder = folder;
    this.nix = new FakeNix(options.nix);
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.log = options.log ?? pino({ level: process.env["DRV_THRU_TEST_LOG"] ?? "silent" });
    this.building = { maxJobs: 1, cores: 0, maxSilentSeconds: 0, timeoutSeconds: 0, ...options.building };
  }

  readonly now = () => Date.now() + this.#clock;

  get state(): State {
    if (this.#state === undefined) throw new Error("the world is not started");
    return this.#state;
  }

  get services(): Services {
    if (this.#services === undefined) throw new Error("the world is not started");
    return this.#services;
  }

  /** Time passes, as far as tickets care. */
  later(milliseconds: number): void {
    this.#clock += milliseconds;
  }

  async start(): Promise<void> {
    this.#state = await openState(this.folder);
    this.#services = await createServices({
      state: this.#state,
      openStore: this.nix.open,
      limits: this.limits,
      dataFolder: this.folder,
      signingKey: this.signingKey,
      trustedClients: this.trustedClients,
      trustedKeys: this.nix.options.trustedKeys,
      building: this.building,
      endpoint: randomId<EndpointId>(),
      version: "0.0.0",
      iroh: "memory",
      connectedClients: () => this.#connections.length,
      log: this.log,
      now: this.now,
    });
  }

  /** Ends as a killed process does: nothing more is kept, nobody is told. */
  async crash(): Promise<void> {
    await this.state.close();
    this.#crashed.push(this.services);
    for (const connection of this.#connections) connection.kill();
  }

  /** Ends what holds the test's process open. */
  async stop(): Promise<void> {
    await this.crash();
    for (const services of this.#crashed) {
      for (const build of services.builds.live) {
        await build.events.close();
        build.end(new Error("the world ended"));
      }
      await services.close();
    }
  }

  async ticket(limits: TicketLimits = {}): Promise<TicketId> {
    const id = randomId<TicketId>();
    await this.state.createTicket({
      id,
      name: `ticket-${id.slice(0, 4)}`,
      createdAt: this.now(),
      expiresAt: this.now() + (limits.expiresIn ?? 3_600_000),
      uses: "uses" in limits ? limits.uses : 1,
      committed: 0,
      reserved: 0,
      maxBuildSeconds: limits.maxBuildSeconds ?? 60,
      maxUploadBytes: limits.maxUploadBytes ?? 1024 * 1024,
      boundClient: limits.boundClient,
      revokedAt: undefined,
      sealedSecret: new Uint8Array(1),
    });
    return id;
  }

  /** A guest who holds a ticket, over a connection of its own. */
  guest(ticket: TicketId, client: ClientId = randomId()): Connected {
    const found = this.state.ticket(ticket);
    return this.connect({
      kind: "guest",
      owner: { credential: { kind: "ticket", id: ticket }, client },
      name: `ticket:${found?.name}`,
      standing: undefined,
      maxBuildSeconds: found?.maxBuildSeconds,
      maxUploadBytes: found?.maxUploadBytes,
      peer: randomId(),
    });
  }

  /** A guest whose client key the builder trusts. */
  trusted(client: ClientId): Connected {
    const { maxBuildSeconds, maxUploadBytes } = { ...clientDefaults, ...this.trustedClients.get(client) };
    const owner = { credential: { kind: "client-key", id: client }, client } as const;
    const may = { standing: undefined, maxBuildSeconds, maxUploadBytes };
    return this.connect({ kind: "guest", owner, name: `client:${client}`, ...may, peer: randomId() });
  }

  /** A guest with a ticket of its own, of any number of uses. */
  async anyone(limits: TicketLimits = {}): Promise<Connected> {
    return this.guest(await this.ticket({ uses: undefined, ...limits }));
  }

  connect(principal: Principal): Connected {
    const gate: Gate = {
      ends: undefined,
      knock: () => undefined,
      principal: async () => principal,
      settle: () => undefined,
    };
    const pair = memoryPair();
    const handlers = this.services.handlers(() => undefined);
    serveConnection(pair.server, { handlers, gate, drain: this.drain.signal, log: this.log });
    const transport = connectTransport(pair.client);
    const connected: Connected = {
      principal,
      kill: pair.kill,
      build: createClient(Build, transport),
      upload: createClient(Upload, transport),
      cache: createClient(Cache, transport),
      status: createClient(Status, transport),
    };
    this.#connections.push(connected);
    return connected;
  }
}

/** Makes a world for one test. */
export async function world(t: Pick<TestContext, "after">, options: WorldOptions = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-server-"));
  await options.before?.(folder);
  const made = new World(folder, options);
  await made.start();
  t.after(async () => {
    await made.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return made;
}
