/** Milliseconds between looks: so much later than it's due may something be given up. */
const LOOK_MS = 100;

interface Waiting {
  readonly due: number;
  readonly late: () => void;
}

/**
 * Deadlines of what is over long before, nearly always. They share one timer, which runs while there are any: one for each dial was
 * 6 % of what a new connection costs the gateway (docs/performance.md).
 */
export class Deadlines {
  readonly #waiting = new Set<Waiting>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Calls `late`, which must not throw, in `ms` milliseconds, or up to 100 later.
   * @returns what is to be called when that is no longer wanted; twice is fine
   */
  add(ms: number, late: () => void): () => void {
    const waiting = { due: performance.now() + ms, late };
    this.#waiting.add(waiting);
    this.#timer ??= setTimeout(this.#look, LOOK_MS);
    return () => void this.#waiting.delete(waiting);
  }

  readonly #look = (): void => {
    const now = performance.now();
    for (const waiting of this.#waiting) {
      if (waiting.due > now) continue;
      this.#waiting.delete(waiting);
      waiting.late();
    }
    this.#timer = this.#waiting.size > 0 ? setTimeout(this.#look, LOOK_MS) : undefined;
  };
}
