import { type Clock, systemClock } from "./clock.ts";

export interface TimeoutOptions {
  /** Makes the error for when the time is up, in place of the "TimeoutError". */
  readonly error?: () => Error;
  readonly clock?: Clock;
}

/**
 * Waits for `promise`, at most `ms` milliseconds. The promise itself isn't cancelled; if it rejects later, that is ignored.
 *
 * @throws {DOMException} "TimeoutError" when the time is up
 * @throws whatever `promise` rejects with
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const never = new Promise<string>(() => {});
 * await assert.rejects(withTimeout(never, 10), { name: "TimeoutError", message: "no answer within 0.01 s" });
 * ```
 */
export async function withTimeout<T>(
  promise: Promise<T>,
  ms: number,
  { error = () => timeoutError(ms), clock = systemClock }: TimeoutOptions = {},
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  using _timer = clock.after(ms, () => reject(error()));
  promise.catch(() => {});
  return await Promise.race([promise, late]);
}

/** The error that says that nothing came for `ms` milliseconds: a DOMException "TimeoutError", as of `AbortSignal.timeout`. */
export function timeoutError(ms: number): DOMException {
  return new DOMException(`no answer within ${ms / 1000} s`, "TimeoutError");
}

export interface SettlesOptions {
  /** Ends the wait early when it settles. */
  readonly unless?: Promise<unknown> | undefined;
  readonly clock?: Clock;
}

/**
 * Waits for `promise`, at most `ms` milliseconds.
 *
 * @returns whether it resolved in time
 * @throws whatever `promise` rejects with in time
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(await settlesWithin(Promise.resolve(), 10), true);
 * assert.equal(await settlesWithin(new Promise(() => {}), 10), false);
 * ```
 */
export async function settlesWithin(
  promise: Promise<unknown>,
  ms: number,
  { unless, clock = systemClock }: SettlesOptions = {},
): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  using _timer = clock.after(ms, () => resolve(false));
  unless?.then(() => resolve(false), () => resolve(false));
  promise.catch(() => {});
  return await Promise.race([promise.then(() => true), late]);
}
