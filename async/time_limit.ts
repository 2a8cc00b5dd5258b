import { follow } from "./abort.ts";
import { type Clock, systemClock } from "./clock.ts";
import { timeoutError } from "./timeout.ts";

/**
 * A signal that aborts when its time is up, with a DOMException "TimeoutError". The clock can be stopped and resumed: time in which the
 * other side isn't asked doesn't count. Dispose of it when the work is done.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * using limit = new TimeLimit(10);
 * await new Promise((resolve) => limit.signal.addEventListener("abort", resolve));
 * assert.equal(limit.signal.reason.message, "no answer within 0.01 s");
 * ```
 */
export class TimeLimit implements Disposable {
  readonly #controller = new AbortController();
  readonly #following: Disposable;
  readonly #clock: Clock;
  readonly #ms: number;
  #left: number;
  #since = 0;
  #timer: Disposable | undefined;

  /**
   * @param ms milliseconds from now
   * @param outer aborts the limit's signal too, with its own reason, even while the clock is stopped
   */
  constructor(ms: number, outer?: AbortSignal, clock: Clock = systemClock) {
    this.#clock = clock;
    this.#ms = this.#left = ms;
    this.resume();
    this.#following = follow(outer, this.#controller);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops the clock: the time was kept, or someone else is being waited for. */
  stop(): void {
    if (!this.#timer) return;
    this.#timer[Symbol.dispose]();
    this.#timer = undefined;
    this.#left -= this.#clock.now() - this.#since;
  }

  /** Starts the clock again after `stop`, with the time that was left. */
  resume(): void {
    if (this.#timer) return;
    this.#since = this.#clock.now();
    this.#timer = this.#clock.after(this.#left, () => this.#controller.abort(timeoutError(this.#ms)));
  }

  [Symbol.dispose](): void {
    this.stop();
    this.#following[Symbol.dispose]();
  }
}
