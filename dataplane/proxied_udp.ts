/** Datagrams of the proxy's clients (SOCKS5 UDP ASSOCIATE), each target's by a flow of its own. */
import { SocketOwners } from "../ffi/proc/socket_owner.ts";
import { UdpPoller } from "../ffi/sockets/udp_poller.ts";
import { headerValue, type Stream } from "../hbone/mod.ts";
import { formatEndpoint, type IpAddress, parseAddress } from "../net/address.ts";
import type { Outcome } from "../wire/flow.ts";
import type { Directory } from "./directory.ts";
import type { FlowTable } from "./flow_table.ts";
import { outcomeOfDatagrams, outcomeOfError } from "./outcome.ts";
import type { Association } from "./proxy/socks5.ts";
import { ProxyTargetError } from "./proxy/target.ts";
import { type DatagramAnswers, type OpenDatagrams, UdpAssociation } from "./proxy/udp_association.ts";
import { refusalOf } from "./tunnel/connect_stream.ts";
import type { Tunnel } from "./tunnel/tunnel.ts";
import type { UdpDestination } from "./udp/captured_udp.ts";
import { OutboundFlow } from "./udp/outbound_flow.ts";

/** UDP flows of all clients of the proxy. */
const MOST_FLOWS = 1_024;

/** What flows of datagrams need. */
export interface ProxiedUdpParts {
  readonly directory: Pick<Directory, "byHost" | "whyNowhere">;
  readonly flows: Pick<FlowTable, "begin" | "end">;
  /** @throws {NoTunnel} when the cluster isn't connected */
  tunnel(cluster: string): Pick<Tunnel, "openUdp">;
}

/** Makes associations for one user's programs. */
export class Associations implements AsyncDisposable {
  readonly #parts: ProxiedUdpParts;
  readonly #uid: number;
  readonly #owners = new SocketOwners();
  readonly #open = new Set<OutboundFlow>();
  /** There once a client has wanted one. */
  #poller: UdpPoller | undefined;

  constructor(parts: ProxiedUdpParts, uid: number) {
    this.#parts = parts;
    this.#uid = uid;
  }

  /** @param address where the client connected to the proxy @throws {SystemCallError} */
  associate(address: string): Association {
    const bound = parseAddress(address);
    if (bound === undefined) throw new TypeError(`${address} is not a valid address`);
    this.#poller ??= new UdpPoller();
    const accounts = [{ first: this.#uid, last: this.#uid }];
    return new UdpAssociation({
      poller: this.#poller,
      address: bound,
      allow: (arrival) => this.#owners.isFrom(arrival, accounts),
      open: this.#openFlow,
    });
  }

  readonly #openFlow: OpenDatagrams = (client, { host, port }, answers) => {
    const { directory, flows } = this.#parts;
    const target = directory.byHost(host);
    const inside = target !== undefined && !("outside" in target) ? target : undefined;
    const address = parseAddress(inside?.address ?? "");
    const listed = flows.begin({
      kind: "proxied",
      protocol: "udp",
      cluster: target?.cluster ?? "",
      from: { protocol: "udp", ...client },
      to: formatEndpoint(inside?.address ?? host, port),
    });
    try {
      if (inside === undefined || address === undefined) {
        throw new ProxyTargetError("destination_not_found", this.#whyNot(host, target !== undefined));
      }
      if (this.#open.size >= MOST_FLOWS) {
        const details = `${MOST_FLOWS} UDP flows are open: datagrams of others are dropped`;
        throw new ProxyTargetError("connection_limit_reached", details);
      }
      const tunnel = this.#parts.tunnel(inside.cluster);
      const destination = destinationFor(address, port, answers);
      const flow = new OutboundFlow(
        { destination, callerPort: client.remote.port, cluster: inside.cluster },
        listed,
      );
      const opening = tunnel.openUdp(formatEndpoint(address.text, port), {
        flow: listed.id,
        signal: flow.closed,
      });
      this.#open.add(flow);
      void this.#carry(flow, answers, opening);
      return { source: { address, port }, send: (payload) => flow.send(payload), close: () => flow.close() };
    } catch (error) {
      flows.end(listed, outcomeOfError(error));
      return undefined;
    }
  };

  #whyNot(host: string, isOutside: boolean): string {
    if (isOutside) {
      return `${host} is an ExternalName that leads outside, where datagrams by the proxy don't go`;
    }
    const why = this.#parts.directory.whyNowhere(host);
    return why === undefined
      ? `no connected cluster has an address for ${host}; \`pmz explain\` with that name says why`
      : `${host} is an ExternalName that leads nowhere: ${why}`;
  }

  /** Carries a flow to its end; never rejects. */
  async #carry(
    flow: OutboundFlow,
    answers: DatagramAnswers,
    opening: Stream | Promise<Stream>,
  ): Promise<void> {
    const outcome = await carried(flow, opening).catch(outcomeOfError);
    this.#open.delete(flow);
    this.#parts.flows.end(flow.listed, outcome);
    answers.ended(outcome.kind === "refused" || outcome.kind === "reset" && outcome.by === "server");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const flow of this.#open) flow.close();
    await this.#poller?.[Symbol.asyncDispose]();
  }
}

async function carried(flow: OutboundFlow, opening: Stream | Promise<Stream>): Promise<Outcome> {
  const stream = await opening;
  const end = await flow.carry(stream);
  const answer = await stream.response.catch(() => undefined);
  const isRefused = answer !== undefined && headerValue(answer, ":status") !== "200";
  return isRefused ? outcomeOfError(refusalOf(answer)) : outcomeOfDatagrams(end);
}

/** A target as a flow has it, whose answers go to a client of the proxy. SOCKS has no word for a refusal. */
function destinationFor(
  { text, family }: IpAddress,
  port: number,
  answers: DatagramAnswers,
): UdpDestination {
  return {
    address: text,
    port,
    family,
    send(payload) {
      answers.received(payload);
      return true;
    },
    refuse() {},
    close() {},
  };
}
