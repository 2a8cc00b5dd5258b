/** Out: a captured connection, from its accept to its end. */
import { relay } from "../hbone/mod.ts";
import { formatEndpoint } from "../net/address.ts";
import type { TcpConnection } from "../ffi/sockets/tcp_connection.ts";
import type { Outcome } from "../wire/flow.ts";
import type { Directory } from "./directory.ts";
import type { Redirected, Redirects } from "./redirects.ts";
import type { FlowTable, OpenFlow } from "./flow_table.ts";
import { outcomeOf, outcomeOfError } from "./outcome.ts";
import type { Tunnel } from "./tunnel/tunnel.ts";

/** What an outbound flow needs. */
export interface OutboundParts {
  readonly directory: Directory;
  readonly redirects: Redirects;
  readonly flows: FlowTable;
  /** @throws {NoTunnel} when the cluster isn't connected */
  tunnel(cluster: string): Pick<Tunnel, "open">;
}

/**
 * Carries a captured connection to its cluster: accept -> target -> stream -> relay; or to a program of this laptop where a
 * redirect says so. Its local address is the address that the program dialled. When it can't be carried, or the other side breaks, the program sees a reset: it must not take a
 * failure for an end.
 */
export async function outbound(
  connection: TcpConnection,
  { directory, redirects, flows, tunnel }: OutboundParts,
): Promise<Outcome> {
  const { hostname, port } = connection.localAddr;
  // Deno writes addresses in the same form; one that it writes otherwise is found by the parsed address.
  const target = directory.byCapturedAddress(hostname) ??
    directory.byCapturedAddress(connection.local.address.text);
  const cluster = target?.cluster ?? "";
  const to = formatEndpoint(target?.address ?? hostname, port);
  const redirected = redirects.any && target !== undefined
    ? await redirects.of(cluster, { address: target.address, port }, () => connection)
    : undefined;
  const intercept = redirected && { intercept: redirected.target.intercept };
  const virtual = target?.virtual !== undefined && { virtual: formatEndpoint(target.virtual, port) };
  const flow = flows.begin({ kind: "captured", cluster, from: connection, to, ...virtual, ...intercept });
  let outcome: Outcome;
  try {
    if (target === undefined) {
      outcome = {
        kind: "refused",
        by: "laptop",
        error: "destination_not_found",
        details: `no connected cluster has the address ${hostname} any more`,
      };
    } else if (redirected) {
      outcome = await toProgram(connection, redirected, flow);
    } else {
      const stream = await tunnel(cluster).open(to, { flow: flow.id });
      flow.stream = stream;
      outcome = outcomeOf(await relay(connection, stream, flow), "socket");
    }
  } catch (error) {
    outcome = outcomeOfError(error);
  }
  flows.end(flow, outcome);
  connection.abort(); // without effect on one that the relay has closed
  return outcome;
}

/** @throws {LocalRefusal} */
async function toProgram(
  connection: TcpConnection,
  redirected: Redirected,
  flow: OpenFlow,
): Promise<Outcome> {
  const program = await redirected.dial();
  flow.stream = program;
  await relay(connection, program, flow);
  return await program.closed;
}
