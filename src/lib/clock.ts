/** Time as a dependency, so that whoever waits or stamps can be tested without waiting. */
export interface Clock {
  /** Milliseconds since the epoch. May jump when somebody sets the time: for records and people, not for durations. */
  wallMs(): number;
  /** Milliseconds from an arbitrary origin; never goes back. For durations and deadlines. */
  monotonicMs(): number;
  /** Calls back once, `delayMs` from now; the function given back cancels and may be called at any time. */
  schedule(delayMs: number, callback: () => void): () => void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
