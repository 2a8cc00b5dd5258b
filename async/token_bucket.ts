/**
 * A token bucket: admits `burst` events at once, and `perSecond` a second in the long run.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { TokenBucket } from "./token_bucket.ts";
 *
 * const lines = new TokenBucket(2, 0.001);
 * assert.deepEqual([lines.take(), lines.take(), lines.take()], [true, true, false]);
 * ```
 */
export class TokenBucket {
  readonly #burst: number;
  readonly #perMs: number;
  #left: number;
  #last: number;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#left = burst;
    this.#last = performance.now();
  }

  /** Takes a token; returns false when none is left. */
  take(): boolean {
    if (this.#left < 1) {
      const now = performance.now();
      this.#left = Math.min(this.#burst, this.#left + (now - this.#last) * this.#perMs);
      this.#last = now;
      if (this.#left < 1) return false;
    }
    this.#left--;
    return true;
  }
}
