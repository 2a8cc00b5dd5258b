/** Milliseconds after which a round trip counts as old: the way may have changed. */
const AGES_MS = 30_000;

/**
 * The round trip of a connection, from PINGs and SETTINGS that were answered: the least of the last minute, since what more
 * they take is spent waiting behind data. (With more, windows would grow because they are large.)
 */
export class RoundTrip {
  #least = Infinity;
  #leastBefore = Infinity;
  #since = performance.now();

  /** Milliseconds; undefined before the first answer. */
  get ms(): number | undefined {
    const least = Math.min(this.#least, this.#leastBefore);
    return least === Infinity ? undefined : least;
  }

  /** An answer came at `now` (milliseconds, as performance.now) after so many milliseconds. */
  sample(ms: number, now: number): void {
    if (now - this.#since > AGES_MS) {
      this.#leastBefore = this.#least;
      this.#least = Infinity;
      this.#since = now;
    }
    this.#least = Math.min(this.#least, ms);
  }
}
