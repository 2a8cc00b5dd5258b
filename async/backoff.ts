/** Waiting times between attempts: each failure doubles them. */
export interface Backoff {
  /** After the first failure, in milliseconds. */
  readonly firstMs: number;
  /** The longest, in milliseconds. */
  readonly maxMs: number;
}

/**
 * How long to wait after a number of failures in a row. Each result is spread over the upper half of the waiting time (jitter), so that many
 * clients that fail together don't come back together.
 *
 * @param failures failures before this one: 0 after the first
 * @returns milliseconds
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const ms = backoff({ firstMs: 100, maxMs: 5_000 }, 3);
 * assert.ok(ms >= 400 && ms <= 800);
 * ```
 */
export function backoff({ firstMs, maxMs }: Backoff, failures: number): number {
  const whole = Math.min(firstMs * 2 ** Math.min(failures, 30), maxMs);
  return whole * (0.5 + Math.random() / 2);
}
