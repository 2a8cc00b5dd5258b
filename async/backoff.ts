/** Waiting times that double, each spread by half so that many who wait don't come back together. In milliseconds. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

/** How long to wait after so many failures in a row: 0 for the first. */
export function backoff({ firstMs, maxMs }: Backoff, failures: number): number {
  const whole = Math.min(firstMs * 2 ** Math.min(failures, 30), maxMs);
  return whole * (0.5 + Math.random() / 2);
}

/** Waits so many milliseconds, or until the signal: it never rejects. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const woken = () => resolve();
  signal?.addEventListener("abort", woken, { once: true });
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", woken);
}
