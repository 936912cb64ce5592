import { Command } from "clipanion";
import type { Io } from "./io.ts";

/** What every command of ours is: `execute` returns its exit code. */
export abstract class DrvThruCommand extends Command<Io> {
  abstract override execute(): Promise<number>;

  /** The answer, on stdout. */
  protected print(line: string): void {
    this.context.stdout.write(`${line}\n`);
  }

  /** Everything else, on stderr. */
  protected note(line: string): void {
    this.context.stderr.write(`${line}\n`);
  }

  /** One JSON value on stdout, on one line. */
  protected printJson(value: unknown): void {
    this.print(JSON.stringify(value, jsonValue));
  }
}

/** Times and byte counts above 2^53 have no JSON number; they print as text. */
function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
