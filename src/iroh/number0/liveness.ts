/** Milliseconds between two looks: each costs a call of the binding, and a builder may have a thousand connections. */
const interval = 2000;
/** A live connection is never silent for longer than its keep-alive of 5 s, however busy the peer's program is. */
const silenceLimit = 12_000;

/**
 * Calls `lost` when a count of received datagrams has not changed for 12 s. Returns the function that ends the watch.
 * QUIC itself gives up after 30 s and more, and the binding cannot be told otherwise.
 */
export function watchLiveness(received: () => number, lost: () => void): () => void {
  let last = received();
  let silent = 0;
  let before = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    // Time in which this process stood still counts as one look: the peer's datagrams wait in the socket meanwhile.
    silent += Math.min(now - before, 2 * interval);
    before = now;
    const count = received();
    if (count !== last) silent = 0;
    last = count;
    if (silent > silenceLimit) {
      clearInterval(timer);
      lost();
    }
  }, interval);
  timer.unref();
  return () => clearInterval(timer);
}
