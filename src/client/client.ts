import { Failure } from "../lib/failure.ts";
import { type BuildId, idToBytes, parseId } from "../lib/ids.ts";
import type { BuilderClient, BuilderStatus, Principal, TicketAdministration, TicketInfo } from "./builder.ts";
import type { Services } from "./connection/services.ts";
import { toFailure } from "./errors.ts";
import { checkTicketOptions } from "./ticket-options.ts";
import { guardStall } from "./transfer/stall.ts";
import { malformed, toRecord, toStatus, toTicket } from "./wire.ts";

/** How long a watched builder may say nothing, in milliseconds: several times what a quiet one leaves between two messages. */
const WATCH_PATIENCE = 45_000;

/** How long one question may take, in milliseconds. */
const CALL = { timeoutMs: 30_000 };

/** A {@link BuilderClient} over the services of a connection. */
export function builderClient(
  services: Services,
  principal: Principal | undefined,
  { build: start, close }: Pick<BuilderClient, "build" | "close">,
): BuilderClient {
  const { build, status } = services;
  return {
    principal,
    build: start,
    status: ({ signal } = {}) =>
      asking("asking for its status", async () => {
        const answer = await status.get({}, { ...CALL, ...(signal && { signal }) });
        return toStatus(answer.status);
      }),
    watchStatus: ({ signal } = {}) => watchStatus(services, signal),
    tickets: ticketAdministration(services.tickets),
    builds: ({ limit = 0 } = {}) =>
      asking("listing builds", async () => (await build.list({ limit }, CALL)).builds.map(toRecord)),
    cancelBuild: id =>
      asking("cancelling a build", async () => {
        const { build: record } = await build.cancel({ buildId: idToBytes(buildIdOf(id)) }, CALL);
        if (record === undefined) throw malformed("no build");
        return toRecord(record);
      }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function ticketAdministration(tickets: Services["tickets"]): TicketAdministration {
  return {
    create: options =>
      asking("making a ticket", async () => {
        checkTicketOptions(options);
        const answer = await tickets.create(
          {
            name: options.name ?? "",
            expiresSeconds: BigInt(options.expiresSeconds),
            uses: options.uses === "unlimited" ? 0n : BigInt(options.uses),
            maxBuildSeconds: BigInt(options.maxBuildSeconds),
            maxUploadBytes: BigInt(options.maxUploadBytes),
            boundClient: options.boundClient === undefined ? new Uint8Array() : clientIdBytes(options.boundClient),
            noAddresses: options.noAddresses ?? false,
          },
          CALL,
        );
        return { text: answer.ticket, ticket: ticketOf(answer.record) };
      }),
    list: () => listTickets(tickets),
    inspect: id => asking("asking for a ticket", async () => ticketOf((await tickets.inspect({ id }, CALL)).record)),
    reveal: id =>
      asking("revealing a ticket", async () => {
        const answer = await tickets.reveal({ id }, CALL);
        return { text: answer.ticket, ticket: ticketOf(answer.record) };
      }),
    revoke: (id, { now = false } = {}) =>
      asking("revoking a ticket", async () => {
        const { record, refunded, cancelled } = await tickets.revoke({ id, now }, CALL);
        return { ticket: ticketOf(record), refunded, cancelled };
      }),
  };
}

async function* watchStatus(services: Services, outer: AbortSignal | undefined): AsyncGenerator<BuilderStatus> {
  const scope = new AbortController();
  using guard = guardStall(
    "watching its status",
    outer === undefined ? scope.signal : AbortSignal.any([outer, scope.signal]),
    WATCH_PATIENCE,
  );
  try {
    let last = "";
    for await (const { status } of services.status.watch({}, { signal: guard.signal })) {
      guard.moved();
      const told = toStatus(status);
      // A quiet builder repeats itself, to say that it is alive.
      const text = JSON.stringify({ ...told, at: undefined });
      if (text !== last) yield told;
      last = text;
    }
  } catch (error) {
    // The caller's own wish is the end of the loop, not a failure.
    if (!outer?.aborted) throw toFailure(error, "watching its status");
  } finally {
    scope.abort();
  }
}

async function* listTickets(tickets: Services["tickets"]): AsyncGenerator<TicketInfo> {
  const scope = new AbortController();
  try {
    for await (const answer of tickets.list({}, { signal: scope.signal })) yield* answer.tickets.map(toTicket);
  } catch (error) {
    throw toFailure(error, "listing tickets");
  } finally {
    scope.abort();
  }
}

async function asking<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const failure = toFailure(error, doing);
    const { who, message, reason, fix, cause } = failure;
    const more = { cause, ...(reason !== undefined && { reason }), ...(fix !== undefined && { fix }) };
    // Who asks for a ticket by a wrong id was not refused anything: there is none.
    if (reason === "ticket-unknown") throw new Failure("failed", who, message, more);
    // What the builder finds malformed here is what somebody typed, such as an id that two tickets begin with.
    if (reason === "malformed" && cause !== undefined) throw new Failure("usage", who, message, more);
    throw failure;
  }
}

function ticketOf(record: Parameters<typeof toTicket>[0] | undefined): TicketInfo {
  if (record === undefined) throw malformed("no ticket");
  return toTicket(record);
}

function buildIdOf(text: string): BuildId {
  const id = parseId<BuildId>(text);
  if (id === undefined)
    throw new Failure("usage", "this machine", `"${text.slice(0, 80)}" is not a build id: expected 64 hex digits`);
  return id;
}

function clientIdBytes(text: string): Uint8Array {
  const id = parseId(text.trim().toLowerCase());
  if (id !== undefined) return idToBytes(id);
  throw new Failure("usage", "this machine", `"${text.slice(0, 80)}" is not a client id: expected 64 hex digits`, {
    fix: "ask the client for what `drv-thru key show` prints",
  });
}
