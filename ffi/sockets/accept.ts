import { sleep } from "../../async/sleep.ts";

/** Milliseconds until accepting is tried again after a failure: a process can be out of descriptors for a moment. */
const PAUSE_MS = 50;

export interface Accepting {
  /** Called when accepting begins to fail (EMFILE, ECONNABORTED), not for each further failure. */
  readonly failed?: (error: unknown) => void;
}

/**
 * Accepts connections until the listener is closed. It never rejects and survives failures, where `for await` on a listener ends
 * with the first one: a process out of descriptors for a moment would never accept again.
 *
 * @param taken owns each connection, and must not throw; the next one is accepted when its promise, if there is one, has settled
 */
export async function acceptAll(
  listener: Pick<Deno.TcpListener, "accept">,
  taken: (connection: Deno.TcpConn) => void | Promise<void>,
  { failed }: Accepting = {},
): Promise<void> {
  for (let failing = false;;) {
    let connection: Deno.TcpConn;
    try {
      connection = await listener.accept();
    } catch (error) {
      // Deno's two errors for a listener that was closed before, or meanwhile.
      if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      if (!failing) failed?.(error);
      failing = true;
      await sleep(PAUSE_MS);
      continue;
    }
    failing = false;
    const waiting = taken(connection);
    if (waiting) await waiting;
  }
}
