/** In: an intercepted connection, from the relay's stream to its end. */
import { relay, type Stream } from "../hbone/mod.ts";
import type { Outcome } from "../wire/flow.ts";
import type { AbortableTransport } from "../net/transport.ts";
import type { ConnectionEnds } from "../ffi/proc/socket_program.ts";
import { inboundFlow, type InboundFlowParts } from "./inbound_flow.ts";
import { dialLocal } from "./local_target.ts";
import { outcomeOf } from "./outcome.ts";

/** What an inbound flow needs. */
export interface InboundParts extends InboundFlowParts {
  /** Dials the program; `dialLocal` when absent. @throws {LocalRefusal} */
  readonly dial?: (host: string, port: number) => Promise<AbortableTransport & ConnectionEnds>;
}

/**
 * Carries an intercepted connection to the program on this laptop: stream -> rule -> local dial -> relay. The stream of a
 * CONNECT that leads nowhere is refused with the reason; a break of either side is a reset of the other.
 */
export async function inbound(stream: Stream, parts: InboundParts): Promise<Outcome> {
  const { dial = dialLocal } = parts;
  return await inboundFlow(stream, "tcp", parts, async (intercepted, flow) => {
    const socket = await dial(intercepted.target.host, intercepted.target.localPort);
    flow.socket = socket;
    intercepted.begin();
    try {
      stream.respond([[":status", "200"]]);
      return outcomeOf(await relay(socket, stream, flow), "stream");
    } finally {
      intercepted.end();
    }
  });
}
