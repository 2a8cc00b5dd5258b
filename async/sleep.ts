import { onAbort } from "./abort.ts";
import { type Clock, systemClock } from "./clock.ts";

/**
 * Waits `ms` milliseconds, or until `signal` aborts. It never rejects: look at `signal.aborted` afterwards.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const begun = performance.now();
 * await sleep(60_000, AbortSignal.timeout(10));
 * assert.ok(performance.now() - begun < 1_000);
 * ```
 */
export async function sleep(ms: number, signal?: AbortSignal, clock: Clock = systemClock): Promise<void> {
  if (signal?.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  using _timer = clock.after(ms, resolve);
  using _listening = signal && onAbort(signal, () => resolve());
  await promise;
}
