import { Failure } from "../../lib/failure.ts";

/** The binding's module. */
export type Binding = typeof import("@number0/iroh/index.js");

let loading: Promise<Binding> | undefined;

/** Loads the binding once, when an endpoint is first made. */
export function loadBinding(): Promise<Binding> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Binding> {
  // With backtraces on, the first error stalls the native runtime for up to 100 ms, and every error carries 1.7 kB of them.
  process.env["RUST_LIB_BACKTRACE"] = "0";
  try {
    return await import("@number0/iroh/index.js");
  } catch (cause) {
    loading = undefined;
    throw new Failure(
      "failed",
      "this machine",
      `the Iroh binding does not load on ${process.platform}-${process.arch}`,
      {
        fix: "npm install --include=optional",
        reason: "no-binding",
        cause,
      },
    );
  }
}
