/** Milliseconds after which a sample is dropped, since the network path may have changed. */
const AGES_MS = 30_000;

/**
 * The round trip of a connection: the shortest of the last minute's PINGs and SETTINGS, since longer ones waited behind data.
 * (Counting that wait would make windows grow because they are large.)
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

  /** Adds a sample in milliseconds, taken at `now` (as performance.now()). */
  sample(ms: number, now: number): void {
    if (now - this.#since > AGES_MS) {
      this.#leastBefore = this.#least;
      this.#least = Infinity;
      this.#since = now;
    }
    this.#least = Math.min(this.#least, ms);
  }
}
