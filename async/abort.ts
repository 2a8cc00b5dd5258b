/**
 * Cancellation by `AbortSignal`. Everything here listens for the abort event and stops listening as soon as it may, so that a signal that
 * lives as long as the process collects no listeners.
 */

/**
 * Calls `listener` once with the signal's reason when `signal` aborts, immediately if it has aborted already.
 *
 * @returns disposing of it removes the listener
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const stop = new AbortController();
 * const reasons: unknown[] = [];
 * using _listening = onAbort(stop.signal, (reason) => reasons.push(reason));
 * stop.abort("the user pressed Ctrl-C");
 * assert.deepEqual(reasons, ["the user pressed Ctrl-C"]);
 * ```
 */
export function onAbort(signal: AbortSignal, listener: (reason: unknown) => void): Disposable {
  const aborted = () => listener(signal.reason);
  if (signal.aborted) aborted();
  else signal.addEventListener("abort", aborted, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", aborted) };
}

/**
 * Aborts `controller` with the reason of `outer` when `outer` aborts.
 *
 * @param outer without it nothing happens
 * @returns disposing of it disconnects the two
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const daemon = new AbortController(), request = new AbortController();
 * using _following = follow(daemon.signal, request);
 * daemon.abort("the daemon is ending");
 * assert.equal(request.signal.reason, "the daemon is ending");
 * ```
 */
export function follow(outer: AbortSignal | undefined, controller: AbortController): Disposable {
  if (!outer) return { [Symbol.dispose]() {} };
  return onAbort(outer, (reason) => controller.abort(reason));
}

/**
 * Waits for `promise` until `signal` aborts. The promise itself isn't cancelled; if it rejects later, that is ignored.
 *
 * @throws the signal's reason when it aborts first, and whatever `promise` rejects with
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const never = new Promise<string>(() => {});
 * await assert.rejects(unlessAborted(never, AbortSignal.abort(new Error("enough"))), /enough/);
 * ```
 */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _listening = onAbort(signal, reject);
  promise.catch(() => {});
  return await Promise.race([promise, aborted]);
}
