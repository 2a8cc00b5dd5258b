import { settlesWithin } from "../../async/timeout.ts";
import { closeQuietly } from "../../net/close_quietly.ts";
import type { Transport } from "../../net/transport.ts";
import type { SendQueue } from "../sending/send_queue.ts";

/** Milliseconds that the last frames have to be written, and then that the peer has to close its side. */
const FLUSH_MS = 1000;
const LINGER_MS = 250;
/** The same after a drain: the end of the last stream may still be on its way, over a slow link. */
const DRAIN_MS = 10_000;

export interface Closing {
  /** What is queued should still be said. */
  readonly flush: boolean;
  /** All streams came to their end: so should their bytes. */
  readonly drained: boolean;
  /** Resolves when nobody wants to wait for that any more. */
  readonly hurry: Promise<void>;
  readonly error: Error;
}

/**
 * Closes a connection's transport, with what is still to be said where it may be; all that waits fails with `error`.
 * Settles when nothing reads or writes any more.
 * @param reading settles when reading has ended
 */
export async function closeTransport(
  transport: Transport,
  queue: SendQueue,
  reading: Promise<void>,
  { flush, drained, hurry, error }: Closing,
): Promise<void> {
  if (flush && await settlesWithin(queue.idle(), drained ? DRAIN_MS : FLUSH_MS, { unless: hurry })) {
    // With bytes of the peer unread, closing at once would make a reset of TCP overtake our GOAWAY, and all that goes before.
    const ended = transport.closeWrite().then(() => reading, () => {});
    await settlesWithin(ended, drained ? DRAIN_MS : LINGER_MS, { unless: hurry });
  }
  queue.fail(error);
  closeQuietly(transport);
  await settlesWithin(Promise.all([reading, queue.idle()]), FLUSH_MS);
}
