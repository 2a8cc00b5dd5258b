import { type Backoff, backoff } from "../../async/backoff.ts";
import { sleep } from "../../async/sleep.ts";

/**
 * The pause before a connection is dialled again: none after a stable one, and longer with each failure in a row. A
 * failure is a dial that failed, or a connection that was lost before it was stable.
 */
export class RedialDelay {
  readonly #backoff: Backoff;
  #failures = 0;

  constructor(times: Backoff) {
    this.#backoff = times;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  failed(): void {
    this.#failures++;
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Waits until the next dial is due, or until the signal. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#failures > 0) await sleep(backoff(this.#backoff, this.#failures - 1), signal);
  }
}
