/** Milliseconds between looks. */
const LOOK_MS = 100;

/**
 * Timers that are set again for each request. They share one that looks ten times a second, so that setting one costs no more than a
 * store; they may be late by 200 ms, and are never early.
 */
export class CoarseTimers {
  /** Milliseconds since some moment, as of the last look. */
  now = 0;
  readonly #timers = new Set<CoarseTimer>();
  #interval: ReturnType<typeof setInterval> | undefined;

  /** A timer that calls `over`, which must not throw, when its time has passed. */
  add(over: () => void): CoarseTimer {
    if (this.#interval === undefined) {
      this.now = performance.now();
      this.#interval = setInterval(this.#look, LOOK_MS);
    }
    const timer = new CoarseTimer(this, over);
    this.#timers.add(timer);
    return timer;
  }

  remove(timer: CoarseTimer): void {
    this.#timers.delete(timer);
    if (this.#timers.size > 0) return;
    clearInterval(this.#interval);
    this.#interval = undefined;
  }

  readonly #look = (): void => {
    this.now = performance.now();
    for (const timer of this.#timers) timer.look();
  };
}

/** One of {@linkcode CoarseTimers}, stopped at first. Disposing removes it. */
export class CoarseTimer implements Disposable {
  readonly #timers: CoarseTimers;
  readonly #over: () => void;
  #due = Infinity;

  constructor(timers: CoarseTimers, over: () => void) {
    this.#timers = timers;
    this.#over = over;
  }

  start(ms: number): void {
    // The last look may be that long ago.
    this.#due = this.#timers.now + LOOK_MS + ms;
  }

  stop(): void {
    this.#due = Infinity;
  }

  look(): void {
    if (this.#timers.now < this.#due) return;
    this.stop();
    this.#over();
  }

  [Symbol.dispose](): void {
    this.#timers.remove(this);
  }
}
