import { Failure } from "./failure.ts";

/** The first descriptor that systemd passes. */
const FIRST = 3;
const MOST = 16;

/**
 * The sockets that whoever started this process has opened for it, by the protocol of systemd (sd_listen_fds): `LISTEN_PID` is this process and
 * `LISTEN_FDS` their number. None without the variables, or where they are meant for another process.
 */
export function passedSockets(env: NodeJS.ProcessEnv, pid: number): number[] {
  if (env["LISTEN_PID"] !== String(pid)) return [];
  const text = env["LISTEN_FDS"] ?? "";
  const count = /^[0-9]{1,2}$/.test(text) ? Number(text) : MOST + 1;
  if (count <= MOST) return Array.from({ length: count }, (_, index) => FIRST + index);
  throw new Failure(
    "usage",
    "this machine",
    `LISTEN_FDS=${text.slice(0, 40)} is not a number of sockets from 0 to ${MOST}`,
  );
}
