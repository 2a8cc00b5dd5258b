import { unlessAborted } from "../../async/abort.ts";
import type { Transport } from "../../net/transport.ts";

/** Makes a transport to an agent. The signal ends the dial, and may break the transport off later. */
export type Dial = (signal: AbortSignal) => Promise<Transport>;

/** Dials, and doesn't wait for one that pays no heed to the signal: what comes late is closed. @throws the signal's reason */
export async function dialUnlessAborted(dial: Dial, signal: AbortSignal): Promise<Transport> {
  const dialled = dial(signal);
  try {
    return await unlessAborted(dialled, signal);
  } catch (error) {
    dialled.then((late) => late.close(), () => {});
    throw error;
  }
}
