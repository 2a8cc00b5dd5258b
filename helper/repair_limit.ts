import { TokenBucket } from "../async/token_bucket.ts";

/** Repairs within a minute; then another program that wants it otherwise has its way. */
const REPAIRS = 10;
const MINUTE_MS = 60_000;

/** Keeps pmz from a fight with another program that changes the same thing again and again. */
export class RepairLimit {
  readonly #now: () => number;
  #repairs = new TokenBucket(REPAIRS, REPAIRS * 1_000 / MINUTE_MS);
  #resting = -Infinity;

  constructor(now = () => performance.now()) {
    this.#now = now;
  }

  /** Whether to put it right once more; after ten times in a minute not for a minute. */
  mayRepair(): boolean {
    if (this.#now() < this.#resting) return false;
    if (this.#repairs.take()) return true;
    this.#resting = this.#now() + MINUTE_MS;
    return false;
  }

  /** Begins again, since the user has asked for it. */
  reset(): void {
    this.#repairs = new TokenBucket(REPAIRS, REPAIRS * 1_000 / MINUTE_MS);
    this.#resting = -Infinity;
  }
}
