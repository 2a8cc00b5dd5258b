/** What every intercepted flow begins and ends with, whatever it carries. */
import { headerValue, type Stream } from "../hbone/mod.ts";
import { type Outcome, parseFlowId } from "../wire/flow.ts";
import { headers, parseRuleTarget } from "../wire/streams.ts";
import type { FlowTable, OpenFlow } from "./flow_table.ts";
import { LocalRefusal } from "./local_target.ts";
import type { Intercepted, LocalTargets } from "./local_targets.ts";
import { outcomeOfError } from "./outcome.ts";
import { refuseStream } from "./tunnel/refuse_stream.ts";

/** What an inbound flow needs. */
export interface InboundFlowParts {
  readonly cluster: string;
  readonly locals: LocalTargets;
  readonly flows: FlowTable;
}

/**
 * Finds where a relay's stream leads, and has it carried there. A stream that leads nowhere is refused with the reason.
 * @param carry does so to the flow's end @throws {LocalRefusal} where the program can't be reached
 */
export async function inboundFlow(
  stream: Stream,
  protocol: "tcp" | "udp",
  { cluster, locals, flows }: InboundFlowParts,
  carry: (intercepted: Intercepted, flow: OpenFlow) => Promise<Outcome>,
): Promise<Outcome> {
  const target = parseRuleTarget(headerValue(stream.request, ":authority") ?? "");
  const intercepted = target && locals.get(target.rule, target.port, protocol);
  const id = parseFlowId(headerValue(stream.request, headers.flow));
  const flow = flows.begin({
    kind: "intercepted",
    ...protocol === "udp" ? { protocol } : {},
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
    outcome = await carry(intercepted, flow);
  } catch (error) {
    outcome = outcomeOfError(error);
    if (error instanceof LocalRefusal) refuseStream(stream, error.kind, error.message);
    else stream.abort(error instanceof Error ? error : new Error(String(error)));
  }
  flows.end(flow, outcome);
  return outcome;
}

/** What the relay says of a connection: an address and port. Anything else isn't shown. */
function said(stream: Stream, header: string): string {
  const text = headerValue(stream.request, header) ?? "";
  return /^[0-9a-f.:[\]]{3,64}$/.test(text) ? text : "unknown";
}
