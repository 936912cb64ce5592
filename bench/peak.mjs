// Loaded into the measured program: leaves its peak memory and CPU time where the bench finds them.
import { writeFileSync } from "node:fs";

process.on("exit", () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  writeFileSync(
    process.env.BENCH_PEAK_FILE,
    JSON.stringify({ peakKiB: maxRSS, cpu: (userCPUTime + systemCPUTime) / 1e6 }),
  );
});
