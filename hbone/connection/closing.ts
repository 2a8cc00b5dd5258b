import { settlesWithin } from "../../async/timeout.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import type { Transport } from "../../net/transport.ts";
import type { SendQueue } from "../sending/send_queue.ts";

/** Milliseconds for the last frames to be written, and then for the peer to close its side. */
const FLUSH_MS = 1000;
const LINGER_MS = 250;
/** The same after a drain, when the end of the last stream may still be in flight on a slow link. */
const DRAIN_MS = 10_000;

export interface Closing {
  /** Whether queued frames should still be sent. */
  readonly flush: boolean;
  /** All streams ended in order, so their bytes should arrive. */
  readonly drained: boolean;
  /** Resolves when closing should not wait any longer. */
  readonly hurry: Promise<void>;
  readonly error: Error;
}

/**
 * Closes a connection's transport. Queued frames are sent first where `flush` says so; pending writes fail with `error`.
 * Settles when no read or write is pending.
 * @param reading settles when reading has ended
 */
export async function closeTransport(
  transport: Transport,
  queue: SendQueue,
  reading: Promise<void>,
  { flush, drained, hurry, error }: Closing,
): Promise<void> {
  if (flush && await settlesWithin(queue.idle(), drained ? DRAIN_MS : FLUSH_MS, { unless: hurry })) {
    // Closing a socket with unread bytes sends a TCP reset, which would overtake GOAWAY and everything before it.
    const ended = transport.closeWrite().then(() => reading, () => {});
    await settlesWithin(ended, drained ? DRAIN_MS : LINGER_MS, { unless: hurry });
  }
  queue.fail(error);
  closeQuietly(transport);
  await settlesWithin(Promise.all([reading, queue.idle()]), FLUSH_MS);
}
