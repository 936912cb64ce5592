import { Reason } from "../../gen/drvthru/v1/common_pb.js";
import type { BuildId, ClientId, TicketId } from "../lib/ids.ts";
import type { Builds } from "./build/builds.ts";
import { cancelled } from "./build/endings.ts";
import { cancelBuild } from "./build/service.ts";

/** Ends builds that have not begun, of client keys that are not trusted any more; those that run may end. Says how many there were. */
export async function dismissClients(
  builds: Builds,
  trusted: Pick<ReadonlyMap<ClientId, unknown>, "has">,
): Promise<number> {
  const lost = builds.live.filter(
    ({ owner: { credential }, phase }) =>
      phase !== "running" && credential.kind === "client-key" && !trusted.has(credential.id),
  );
  const ending = cancelled("the builder does not trust this client any more", true, Reason.CLIENT_NOT_TRUSTED);
  await Promise.all(lost.map(build => builds.end(build, ending)));
  return lost.length;
}

/** Ends the builds that lost their reservation when their ticket was revoked, and with `cancelRunning` those of it that run. Says how many ran. */
export async function revokeBuilds(
  builds: Builds,
  ticket: TicketId,
  refunded: readonly BuildId[],
  { cancelRunning, daemonTime }: { readonly cancelRunning: boolean; readonly daemonTime: number },
): Promise<number> {
  const lost = builds.live.filter(build => refunded.includes(build.id));
  const message = "the ticket was revoked";
  const ending = cancelled(message, true, Reason.TICKET_REVOKED);
  await Promise.all(lost.map(build => builds.end(build, ending)));
  if (!cancelRunning) return 0;
  const running = builds.live.filter(
    ({ owner: { credential }, phase }) =>
      phase === "running" && credential.kind === "ticket" && credential.id === ticket,
  );
  await Promise.all(running.map(build => cancelBuild(builds, build, message, daemonTime)));
  return running.length;
}
