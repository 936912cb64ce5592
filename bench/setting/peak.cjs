// Loaded into the measured program: leaves its peak memory and CPU time where the bench finds them. Not a module: those would cost it milliseconds.
const { readFileSync, writeFileSync } = require("node:fs");

process.on("exit", () => {
  // Not `resourceUsage().maxRSS`: that counts what this process was before it became this program.
  const peakKiB = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  writeFileSync(process.env.BENCH_PEAK_FILE, JSON.stringify({ peakKiB, cpu: (userCPUTime + systemCPUTime) / 1e6 }));
});
