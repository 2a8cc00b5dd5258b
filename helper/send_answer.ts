import { pollUntil } from "../async/poll_until.ts";
import { isFull, type SeqPacket } from "../ffi/sockets/seqpacket.ts";
import type { HelperAnswer } from "../wire/helper.ts";

/** A daemon that reads nothing for so long hangs, in milliseconds. */
const READ_TIMEOUT_MS = 10_000;

/** Whether a message was sent; false when the daemon hasn't read earlier ones. @throws {SystemCallError} when it is gone */
export function fits(send: () => void): boolean {
  try {
    send();
    return true;
  } catch (error) {
    if (isFull(error)) return false;
    throw error;
  }
}

/** Sends an answer. News may have left no room for it: the daemon makes some as it reads. @throws {Error} when it doesn't, or is gone */
export async function sendAnswer(
  daemon: Pick<SeqPacket, "send">,
  answer: HelperAnswer,
  fds: readonly number[],
  timeoutMs = READ_TIMEOUT_MS,
): Promise<void> {
  const isSent = await pollUntil(() => fits(() => daemon.send(answer, fds)), { timeoutMs });
  if (!isSent) throw new Error(`it has read nothing for ${timeoutMs} ms`);
}
