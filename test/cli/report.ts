import type { BuildReport } from "../../src/client/report.ts";

/** The derivation of a build that a test shows, and its output. */
export const DRV = `/nix/store/${"1".repeat(32)}-app.drv`;
export const OUT = `/nix/store/${"2".repeat(32)}-app`;

/** How that build ended. */
export const REPORT: BuildReport = {
  outcome: "built",
  installable: ".#app",
  derivations: [{ drvPath: DRV, outputs: { out: OUT } }],
  endpointId: "ab".repeat(32),
  buildId: "cd".repeat(32),
  failed: [],
  message: "",
  refunded: false,
  evaluateMilliseconds: 1,
  uploadMilliseconds: 1,
  queuedMilliseconds: 0,
  buildMilliseconds: 1,
  downloadMilliseconds: 1,
  totalMilliseconds: 1,
  inputPaths: 1,
  uploadedPaths: 1,
  uploadedBytes: 1,
  downloadedPaths: 1,
  downloadedBytes: 1,
};
