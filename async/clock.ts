/** Where time comes from: a parameter, so that tests can pass a clock that they advance themselves (testing/fake_clock.ts). */
export interface Clock {
  /** Milliseconds since a fixed moment. It never runs backwards. */
  now(): number;
  /** Calls `due` once, in `ms` milliseconds. Disposing of the result cancels that. */
  after(ms: number, due: () => void): Disposable;
}

/** The machine's clock. Its timers keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, due) {
    const timer = setTimeout(due, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
