/** Milliseconds until accepting is tried again, where it failed: the process may be out of descriptors, which passes. */
const PAUSE_MS = 50;

export interface Accepting {
  /** Told when accepting begins to fail (EMFILE, ECONNABORTED), not each time that it goes on to. */
  readonly failed?: (error: unknown) => void;
}

/**
 * Accepts until the listener is closed, whatever happens in between. Never rejects; `for await` on a listener does, and whoever is out
 * of descriptors for a moment would be deaf for good.
 *
 * @param taken gets each connection as its own, and must not throw
 */
export async function acceptAll(
  listener: Pick<Deno.TcpListener, "accept">,
  taken: (connection: Deno.TcpConn) => void,
  { failed }: Accepting = {},
): Promise<void> {
  for (let failing = false;;) {
    let connection: Deno.TcpConn;
    try {
      connection = await listener.accept();
    } catch (error) {
      // As Deno says it: closed before, closed meanwhile.
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      if (!failing) failed?.(error);
      failing = true;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      continue;
    }
    failing = false;
    taken(connection);
  }
}
