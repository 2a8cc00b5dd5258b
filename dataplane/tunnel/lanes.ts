import { LaneSender } from "../../hbone/mod.ts";
import { unlessAborted } from "../../async/abort.ts";
import { formatLaneOpening, JOINED, type Lane, newTunnelName } from "../../wire/lanes.ts";
import type { AbortableTransport } from "../../net/transport.ts";

/** Opens a lane. The signal ends it, also later. */
export type DialLane = (lane: Lane, signal: AbortSignal) => Promise<AbortableTransport>;

/** The agent didn't join the lanes; an older one doesn't know them. */
export class NotJoined extends Error {
  override name = "NotJoined";
}

/** The lanes were not there and joined in time: what is on the way may hang, or the agent may not know them. */
export class LanesLate extends Error {
  override name = "LanesLate";
}

/**
 * Opens both lanes of a tunnel at once, and waits for the agent to join them.
 * @throws {NotJoined}
 * @throws {LanesLate} after so many milliseconds
 * @throws what a dial throws, the signal's reason
 */
export async function dialLanes(
  dial: DialLane,
  signal: AbortSignal,
  timeoutMs: number,
): Promise<AbortableTransport> {
  const giveUp = new AbortController();
  const dialling = AbortSignal.any([signal, giveUp.signal]);
  const tunnel = newTunnelName();
  const open = async (lane: Lane) => {
    const transport = await dial(lane, dialling);
    await transport.write(formatLaneOpening({ lane, tunnel }));
    return transport;
  };
  const timer = setTimeout(
    () => giveUp.abort(new LanesLate(`the agent didn't answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  try {
    const [main, bulk] = await Promise.all([open("main"), open("bulk")]);
    await unlessAborted(joined(main), dialling);
    return new LaneSender(main, bulk);
  } catch (error) {
    const reason = dialling.aborted ? dialling.reason : error;
    // The signal ends both lanes, also one that opens late.
    giveUp.abort(reason);
    throw reason;
  } finally {
    clearTimeout(timer);
  }
}

async function joined(main: AbortableTransport): Promise<void> {
  const answer = new Uint8Array(1);
  const length = await main.read(answer).catch((cause) => {
    throw new NotJoined("the agent doesn't take lanes", { cause });
  });
  if (length === null || answer[0] !== JOINED) throw new NotJoined("the agent doesn't take lanes");
}
