import { spaceFullCollections } from "./full-collections.ts";
import { boundYoungGeneration } from "./young-generation.ts";

/** Keeps what V8 holds small, and what it does for that cheap, in a program that bytes pass through. One that only answers need not load what that takes. */
export function boundMemory(): void {
  boundYoungGeneration();
  spaceFullCollections();
}
