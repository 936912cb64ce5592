import { Code } from "@connectrpc/connect";
import { Reason } from "../../../gen/drvthru/v1/common_pb.js";
import { refuse } from "../refusal.ts";

/** Bytes of NAR that the builds of one ticket or trusted client may still send together. One object for all that go on. */
export interface Allowance {
  left: number;
  /** Whether its uses are counted: then all that is sent counts. Otherwise only what builds send that never start, for a day. */
  readonly counted: boolean;
}

/** Throws a refusal if so many more bytes are too many. */
export function checkAllowance({ left, counted }: Allowance, more: number): void {
  if (more <= left) return;
  const whose = counted ? "the builds of this ticket" : "builds that were given up before they began";
  const fix = counted
    ? "ask the builder's owner for a new ticket"
    : "they count for a day; what is sent for a build that begins does not count";
  const message = `${whose} have sent what they may together: ${Math.max(0, left)} bytes are left, and ${more} more are to come`;
  throw refuse(Reason.UPLOAD_LIMIT, Code.ResourceExhausted, message, { fix });
}
