import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Tickets } from "../../gen/drvthru/v1/tickets_pb.js";
import type { Dial } from "../../src/client/connection/dial.ts";
import type { ClientId, EndpointId } from "../../src/lib/ids.ts";
import type { Duplex, Session } from "../../src/lib/stream.ts";
import { formatPublicKey } from "../../src/nix/signing-key.ts";
import { guestGate } from "../../src/server/access.ts";
import { serveConnection } from "../../src/server/serve-connection.ts";
import { ticketsService } from "../../src/server/tickets-service.ts";
import { idOfSecret } from "../../src/tickets/proof.ts";
import { sealingKey } from "../../src/tickets/seal.ts";
import { derivation, type MadeDerivation, sourcePath } from "../fakes/make-path.ts";
import { memoryPair } from "../fakes/memory-session.ts";
import { type World as Builder, world as makeBuilder } from "../server/world.ts";
import { makeWorld } from "./world.ts";

/**
 * How many times the wire was crossed, at the most: whatever one end sends after it has read anything counts as sent because of that. One count for
 * each end, in single crossings.
 */
class Wire {
  readonly #crossed = { client: 0, server: 0 };
  readonly #sent = { client: 0, server: 0 };

  /** Round trips that what the client has read took. */
  get roundTrips(): number {
    return this.#crossed.client / 2;
  }

  /** An end's session, counted. */
  of(end: "client" | "server", session: Session): Session {
    const [own, other] = [end, end === "client" ? "server" : "client"] as const;
    const wrote = () => {
      this.#sent[own] = Math.max(this.#sent[own], this.#crossed[own] + 1);
    };
    const read = () => {
      this.#crossed[own] = Math.max(this.#crossed[own], this.#sent[other]);
    };
    const counted = (duplex: Duplex): Duplex =>
      intercept(duplex, {
        read: async () => {
          const bytes = await duplex.read();
          if (bytes !== undefined) read();
          return bytes;
        },
        write: async (...bytes) => {
          wrote();
          await duplex.write(...bytes);
        },
      });
    return intercept(session, {
      open: async signal => counted(await session.open(signal)),
      accept: async () => {
        const duplex = await session.accept();
        return duplex && counted(duplex);
      },
    });
  }
}

/** An object with some of its methods replaced; the others are its own. */
function intercept<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const value: unknown = Reflect.get(name in replaced ? replaced : target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Reaches a real builder's services in memory, over a counted wire. */
function dialTo(builder: Builder, endpoint: EndpointId, wire: Wire): Dial {
  const handlers = builder.services.handlers(router =>
    router.service(
      Tickets,
      ticketsService({
        state: builder.state,
        trustedClients: builder.trustedClients,
        sealingKey: sealingKey(randomBytes(32)),
        endpoint,
        signingKey: formatPublicKey(builder.signingKey.public),
        version: "1.2.3",
        maxPutStreams: 4,
        addresses: () => ({ relayUrls: [], addresses: [] }),
        nix: async () => ({ version: "2.30", systems: ["x86_64-linux"], features: [] }),
        revoked: async () => 0,
        now: builder.now,
        log: builder.log,
      }),
    ),
  );
  return async () => {
    const own = randomBytes(32).toString("hex") as EndpointId;
    const pair = memoryPair({ serverId: endpoint, clientId: own });
    const gate = guestGate({ peer: own, local: endpoint });
    const { signal: drain } = builder.drain;
    serveConnection(wire.of("server", pair.server), { handlers, gate, drain, log: builder.log });
    const session = wire.of("client", pair.client);
    return { session, path: () => "direct", watchPath: () => undefined, close: () => pair.close() };
  };
}

/** Builds on a real builder, and says how many round trips there were before the first line of the log was here. */
async function roundTripsToLog(t: TestContext, app: MadeDerivation, known: boolean): Promise<number> {
  const builder = await makeBuilder(t);
  const client = await makeWorld(t, { trust: "trusted" });
  const endpoint = randomBytes(32).toString("hex") as EndpointId;
  const seed = randomBytes(32);
  const key = join(client.home, "key");
  writeFileSync(key, `${seed.toString("hex")}\n`, { mode: 0o600 });
  const id = idOfSecret<ClientId>(seed);
  builder.trustedClients.set(id, { id, name: "friend", maxBuildSeconds: undefined, maxUploadBytes: undefined });
  builder.nix.script(app.info.path, async build => {
    build.log("hello");
    return undefined;
  });
  const source = sourcePath("source", "text");
  client.seed(source, app);
  if (known) builder.nix.seed(source, app);
  const wire = new Wire();
  Object.defineProperty(client.builder, "dial", { value: dialTo(builder, endpoint, wire) });
  const target = { server: { endpointId: endpoint, signingKey: formatPublicKey(builder.signingKey.public) } };
  const run = client.start([app], { target, clientKeyFile: key });
  let trips: number | undefined;
  for await (const event of run) if (event.kind === "log") trips ??= wire.roundTrips;
  await run.result;
  assert.ok(trips !== undefined, "there was no line of a log");
  return trips;
}

const source = sourcePath("source", "text");
const app = derivation({ name: "app", sources: [source.info.path] });

test("from connecting to the first line of the log there are four round trips, also with an upload", async t => {
  const trips = await roundTripsToLog(t, app, false);
  assert.ok(trips <= 4, `${trips} round trips`);
});

test("where the builder has all inputs there are three", async t => {
  const trips = await roundTripsToLog(t, app, true);
  assert.ok(trips <= 3, `${trips} round trips`);
});
