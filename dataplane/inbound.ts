/** In: an intercepted connection, from the relay's stream to its end. */
import { headerValue, relay, type Stream } from "../hbone/mod.ts";
import { type Outcome, parseFlowId } from "../wire/flow.ts";
import { headers, parseRuleTarget } from "../wire/streams.ts";
import type { AbortableTransport } from "../net/transport.ts";
import type { ConnectionEnds } from "../ffi/proc/socket_program.ts";
import type { FlowTable } from "./flow_table.ts";
import { dialLocal, LocalRefusal } from "./local_target.ts";
import type { Intercepted, LocalTargets } from "./local_targets.ts";
import { outcomeOf, outcomeOfError } from "./outcome.ts";
import { refuseStream } from "./tunnel/refuse_stream.ts";

/** What an inbound flow needs. */
export interface InboundParts {
  readonly cluster: string;
  readonly locals: LocalTargets;
  readonly flows: FlowTable;
  /** Dials the program; `dialLocal` when absent. @throws {LocalRefusal} */
  readonly dial?: (host: string, port: number) => Promise<AbortableTransport & ConnectionEnds>;
}

/**
 * Carries an intercepted connection to the program on this laptop: stream -> rule -> local dial -> relay. The stream of a
 * CONNECT that leads nowhere is refused with the reason; a break of either side is a reset of the other.
 */
export async function inbound(
  stream: Stream,
  { cluster, locals, flows, dial = dialLocal }: InboundParts,
): Promise<Outcome> {
  const target = parseRuleTarget(headerValue(stream.request, ":authority") ?? "");
  const intercepted = target && locals.get(target.rule, target.port, "tcp");
  const id = parseFlowId(headerValue(stream.request, headers.flow));
  const flow = flows.begin({
    kind: "intercepted",
    cluster,
    from: said(stream, headers.caller),
    to: said(stream, headers.destination),
    ...(intercepted === undefined ? {} : { intercept: intercepted.target.intercept }),
    ...(id === undefined ? {} : { id }),
  });
  flow.stream = stream;
  let outcome: Outcome;
  try {
    if (target === undefined) throw new LocalRefusal("destination_ip_prohibited", "a stream names RULE:PORT");
    if (intercepted === undefined) {
      throw new LocalRefusal("destination_ip_prohibited", "this laptop has no such intercept any more");
    }
    outcome = await carry(intercepted);
  } catch (error) {
    outcome = outcomeOfError(error);
    if (error instanceof LocalRefusal) refuseStream(stream, error.kind, error.message);
    else stream.abort(error instanceof Error ? error : new Error(String(error)));
  }
  flows.end(flow, outcome);
  return outcome;

  async function carry(intercepted: Intercepted): Promise<Outcome> {
    const socket = await dial(intercepted.target.host, intercepted.target.localPort);
    flow.socket = socket;
    intercepted.begin();
    try {
      stream.respond([[":status", "200"]]);
      return outcomeOf(await relay(socket, stream, flow), "stream");
    } finally {
      intercepted.end();
    }
  }
}

/** What the relay says of a connection: an address and port. Anything else isn't shown. */
export function said(stream: Stream, header: string): string {
  const text = headerValue(stream.request, header) ?? "";
  return /^[0-9a-f.:[\]]{3,64}$/.test(text) ? text : "unknown";
}
