import { type Logger, pino, stdTimeFunctions } from "pino";

/** The builder's log: JSON lines on stderr with times of the day. Written at once, so that the last line before an end is there. */
export function stderrLog(): Logger {
  const options = { base: null, timestamp: stdTimeFunctions.isoTime };
  return pino(options, pino.destination({ fd: 2, sync: true }));
}
