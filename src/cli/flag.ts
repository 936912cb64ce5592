import { Failure } from "../lib/failure.ts";

/** Parses a flag's value; what is wrong with it is said with the flag's name. */
export function flagValue<T>(flag: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    throw new Failure(error.code, error.who, `${flag}: ${error.message}`, {
      cause: error,
      ...(error.fix === undefined ? {} : { fix: error.fix }),
    });
  }
}
