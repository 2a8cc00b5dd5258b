import { type Clock, systemClock } from "./clock.ts";
import { sleep } from "./sleep.ts";

export interface PollOptions {
  /** Milliseconds between attempts; 20 without it. */
  readonly everyMs?: number;
  /** Milliseconds until it gives up; 10,000 without it. */
  readonly timeoutMs?: number;
  /** Ends the polling early, as the time limit does. */
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock;
}

/** What a condition gives as long as it doesn't hold. */
type NotYet = false | null | undefined;

/**
 * Asks again and again until a condition holds. It is asked at once, and once more when the time is up.
 *
 * @param condition returns false, null or undefined as long as it doesn't hold
 * @returns what the condition returned when it held; undefined when the time was up before, or the signal aborted
 * @throws whatever the condition throws
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * let attempts = 0;
 * assert.equal(await pollUntil(() => ++attempts === 3 && "ready", { everyMs: 1 }), "ready");
 * assert.equal(await pollUntil(() => false, { everyMs: 1, timeoutMs: 5 }), undefined);
 * ```
 */
export async function pollUntil<T>(
  condition: () => T | NotYet | Promise<T | NotYet>,
  { everyMs = 20, timeoutMs = 10_000, signal, clock = systemClock }: PollOptions = {},
): Promise<T | undefined> {
  const end = clock.now() + timeoutMs;
  for (;;) {
    const last = clock.now() >= end;
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) return value;
    if (last || signal?.aborted) return undefined;
    await sleep(Math.min(everyMs, Math.max(0, end - clock.now())), signal, clock);
    if (signal?.aborted) return undefined;
  }
}
