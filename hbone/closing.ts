import type { Transport } from "../wire/transport.ts";
import type { SendQueue } from "./send_queue.ts";

/** Milliseconds that the last frames have to be written, and then that the peer has to close its side. */
const FLUSH_MS = 1000;
const LINGER_MS = 250;

/**
 * Closes a connection's transport, with what is still to be said where it may be (`flush`); all that waits fails with `error`.
 * Settles when nothing reads or writes any more.
 * @param reading settles when reading has ended
 */
export async function closeTransport(
  transport: Transport,
  queue: SendQueue,
  reading: Promise<void>,
  { flush, error }: { flush: boolean; error: Error },
): Promise<void> {
  if (flush && await within(queue.idle(), FLUSH_MS)) {
    // With bytes of the peer unread, closing at once would make a reset of TCP overtake our GOAWAY.
    const ended = transport.closeWrite().then(() => reading, () => {});
    await within(ended, LINGER_MS);
  }
  queue.fail(error);
  try {
    transport.close();
  } catch {
    // Closed before, by the other side's break.
  }
  await within(Promise.all([reading, queue.idle()]), FLUSH_MS);
}

/** Waits for `promise`, at most `ms` milliseconds; says whether it came. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), ms));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
