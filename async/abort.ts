/**
 * Cancellation that can't get lost. A fetch that was given `AbortSignal.any([AbortSignal.any([outer, a]), b])` isn't ended by `outer` any more once
 * the garbage collector has run (Deno 2.9.6); here plain listeners hold what they wake, until they are taken off.
 */

/** Aborts `controller` with the reason of `outer`, as long as this isn't disposed of. */
export function follow(outer: AbortSignal | undefined, controller: AbortController): Disposable {
  if (!outer) return { [Symbol.dispose]() {} };
  return onAbort(outer, (reason) => controller.abort(reason));
}

/** Calls `listener` once when `signal` is aborted, at once if it is already. */
export function onAbort(signal: AbortSignal, listener: (reason: unknown) => void): Disposable {
  const aborted = () => listener(signal.reason);
  if (signal.aborted) aborted();
  else signal.addEventListener("abort", aborted, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", aborted) };
}

/** Waits for `promise` until `signal` is aborted. @throws its reason then */
export async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  using _listening = onAbort(signal, reject);
  promise.catch(() => {});
  return await Promise.race([promise, aborted]);
}

/** A controller that is aborted with `outer`, and by the clock unless it is stopped before. */
export class TimeLimit implements Disposable {
  readonly #controller = new AbortController();
  readonly #following: Disposable;
  readonly #ms: number;
  #left: number;
  #since = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ms: number, outer?: AbortSignal) {
    this.#ms = this.#left = ms;
    this.resume();
    this.#following = follow(outer, this.#controller);
  }

  /** The clock goes on, after `stop`. */
  resume(): void {
    this.#since = performance.now();
    const said = `no answer within ${this.#ms / 1000} s`;
    this.#timer = setTimeout(
      () => this.#controller.abort(new DOMException(said, "TimeoutError")),
      this.#left,
    );
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The time was kept, or the clock stands still for a while; `outer` still counts. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#left -= performance.now() - this.#since;
  }

  [Symbol.dispose](): void {
    this.stop();
    this.#following[Symbol.dispose]();
  }
}
