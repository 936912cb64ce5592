/** Milliseconds between two looks: what a peer can send within one is what it can send too much. */
const interval = 100;

/** Calls `tooMuch` once more than `limit` bytes were received. Returns the function that ends the watch. */
export function watchStranger(received: () => number, limit: number, tooMuch: () => void): () => void {
  const timer = setInterval(() => {
    if (received() <= limit) return;
    clearInterval(timer);
    tooMuch();
  }, interval);
  timer.unref();
  return () => clearInterval(timer);
}
