/**
 * Closes a connection or a listener that may be closed already, by the other side's break or by another owner: closing it twice throws.
 *
 * @param closable without it nothing happens
 *
 * @example
 * ```ts
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * closeQuietly(listener);
 * closeQuietly(listener);
 * ```
 */
export function closeQuietly(closable: { close(): void } | undefined): void {
  try {
    closable?.close();
  } catch {
    // It was closed before.
  }
}
