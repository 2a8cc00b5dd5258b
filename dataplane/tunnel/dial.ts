import { unlessAborted } from "../../async/abort.ts";
import type { Transport } from "../../net/transport.ts";

/** Makes a transport to an agent. The signal ends the dial, and may abort the transport later. */
export type DialTransport = (signal: AbortSignal) => Promise<Transport>;

/** Dials, and doesn't wait for a dial that ignores the signal: a late transport is closed. @throws the signal's reason */
export async function dialUnlessAborted(dial: DialTransport, signal: AbortSignal): Promise<Transport> {
  const dialled = dial(signal);
  try {
    return await unlessAborted(dialled, signal);
  } catch (error) {
    dialled.then((late) => late.close(), () => {});
    throw error;
  }
}
