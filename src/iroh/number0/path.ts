import type { SessionPath } from "../interface.ts";

/** Milliseconds between two looks. */
const interval = 1000;

/** Looks at a path and tells when it has changed: the binding's own way to watch ends the process. Returns what ends that. */
export function watchPath(path: () => SessionPath, changed: (path: SessionPath) => void): () => void {
  let last = path();
  const timer = setInterval(() => {
    const now = path();
    if (now.kind !== last.kind || now.address !== last.address) changed(now);
    last = now;
  }, interval);
  timer.unref();
  return () => clearInterval(timer);
}
