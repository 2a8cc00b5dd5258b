// deno std comes from npm as JavaScript without types; these are the types of what is used here.
declare module "@std/async/deadline.js" {
  /** Rejects with a DOMException "TimeoutError" when `promise` has not settled after `ms` milliseconds. */
  export function deadline<T>(
    promise: Promise<T>,
    ms: number,
    options?: { signal?: AbortSignal },
  ): Promise<T>;
}
