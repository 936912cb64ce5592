/** What stands in a line of the log. */
export type LogFields = Readonly<Record<string, string | number | boolean | readonly string[] | null>>;

/** The helper's log. */
export interface HelperLog {
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
}

/** JSON lines as `drv-thru serve` writes them, through `write`. */
export function jsonLog(write: (line: string) => void): HelperLog {
  const line = (level: number) => (fields: LogFields, msg: string) =>
    write(`${JSON.stringify({ level, time: new Date().toISOString(), ...fields, msg })}\n`);
  return { info: line(30), warn: line(40) };
}
