import { type Clock, systemClock } from "./clock.ts";

/** Milliseconds between looks at the deadlines: a missed one may be noticed so much later. */
const LOOK_MS = 100;

interface Deadline {
  readonly due: number;
  readonly missed: () => void;
}

/**
 * Many deadlines that share one timer, for operations that nearly always end well before their time is up: a timer each was 6 % of what a
 * new connection costs the gateway (docs/performance.md). The timer runs only while there are deadlines.
 *
 * @example
 * ```ts
 * const dials = new Deadlines();
 * const done = dials.add(10_000, () => console.error("the dial took too long"));
 * done(); // it connected
 * ```
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #deadlines = new Set<Deadline>();
  #timer: Disposable | undefined;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /**
   * Calls `missed` in `ms` milliseconds, or up to 100 later. It must not throw.
   *
   * @returns a function that cancels it; calling that again is fine
   */
  add(ms: number, missed: () => void): () => void {
    const deadline = { due: this.#clock.now() + ms, missed };
    this.#deadlines.add(deadline);
    this.#timer ??= this.#clock.after(LOOK_MS, this.#look);
    return () => void this.#deadlines.delete(deadline);
  }

  readonly #look = (): void => {
    const now = this.#clock.now();
    for (const deadline of this.#deadlines) {
      if (deadline.due > now) continue;
      this.#deadlines.delete(deadline);
      deadline.missed();
    }
    this.#timer = this.#deadlines.size > 0 ? this.#clock.after(LOOK_MS, this.#look) : undefined;
  };
}
