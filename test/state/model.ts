import type { BuildId } from "../../src/lib/ids.ts";
import type { ReserveRequest } from "../../src/state/state.ts";

/** A ticket as the model knows it: its uses are counted over its builds, never kept. */
export interface ModelTicket {
  readonly uses: number | undefined;
  readonly expiresAt: number;
  revoked: boolean;
}

/** A build as the model knows it. */
export interface ModelBuild {
  readonly ticket: number | undefined;
  readonly client: number;
  readonly digest: string;
  use: "reserved" | "committed" | "refunded";
  ended: boolean;
}

/** What the state should be, in the plainest words. */
export class Model {
  readonly tickets = new Map<number, ModelTicket>();
  readonly builds = new Map<number, ModelBuild>();

  used(ticket: number, use: ModelBuild["use"]): number {
    return [...this.builds.values()].filter(build => build.ticket === ticket && build.use === use).length;
  }

  /** What a reservation should answer; makes it if it should be given. */
  reserve(id: number, build: Omit<ModelBuild, "use" | "ended">, insteadOf: number | undefined, now: number): string {
    const existing = this.builds.get(id);
    if (existing !== undefined)
      return same(existing, build) && existing.digest === build.digest ? "given" : "build-differs";
    const replaced = insteadOf === undefined ? undefined : this.builds.get(insteadOf);
    if (insteadOf !== undefined && (replaced === undefined || !same(replaced, build))) return "build-unknown";
    const moves = replaced?.use === "reserved";
    const refusal = this.#refusal(build.ticket, moves ? 1 : 0, now);
    if (refusal !== undefined) return refusal;
    if (moves) replaced.use = "refunded";
    this.builds.set(id, { ...build, use: "reserved", ended: false });
    return "given";
  }

  #refusal(id: number | undefined, moving: number, now: number): string | undefined {
    if (id === undefined) return undefined;
    const ticket = this.tickets.get(id);
    if (ticket === undefined) return "ticket-unknown";
    if (ticket.revoked) return "ticket-revoked";
    if (now >= ticket.expiresAt) return "ticket-expired";
    const uses = ticket.uses ?? Number.POSITIVE_INFINITY;
    if (this.used(id, "committed") >= uses) return "ticket-exhausted";
    return this.used(id, "committed") + this.used(id, "reserved") - moving >= uses ? "ticket-in-use" : undefined;
  }
}

function same(a: Pick<ModelBuild, "ticket" | "client">, b: Pick<ModelBuild, "ticket" | "client">): boolean {
  return a.ticket === b.ticket && a.client === b.client;
}

/** What a real state's answer is called in the model. */
export function called(answer: string | { readonly id: BuildId }, asked: ReserveRequest): string {
  if (typeof answer === "string") return answer;
  return answer.id === asked.build ? "given" : "another build";
}
