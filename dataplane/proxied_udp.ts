/** Datagrams of the proxy's clients (SOCKS5 UDP ASSOCIATE), each target's by a flow of its own. */
import { SocketOwners } from "../ffi/proc/socket_owner.ts";
import { UdpPoller } from "../ffi/sockets/udp_poller.ts";
import { headerValue, type Stream } from "../hbone/mod.ts";
import { DatagramStream } from "../masque/datagram_stream.ts";
import { type Endpoint, formatEndpoint, parseAddress } from "../net/address.ts";
import type { Directory } from "./directory.ts";
import type { FlowStream, FlowTable, OpenFlow } from "./flow_table.ts";
import { outcomeOfError, outcomeOfStream } from "./outcome.ts";
import type { Association } from "./proxy/socks5.ts";
import { ProxyTargetError } from "./proxy/target.ts";
import {
  type DatagramAnswers,
  type DatagramTarget,
  type OpenDatagrams,
  UdpAssociation,
} from "./proxy/udp_association.ts";
import { refusalOf } from "./tunnel/connect_stream.ts";
import type { Tunnel } from "./tunnel/tunnel.ts";

/** UDP flows of all clients of the proxy. */
const MOST_FLOWS = 1_024;
/** Bytes of datagrams that wait until the tunnel is there. */
const MOST_WAITING = 16 * 1024;

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
  readonly #open = new Set<ProxiedFlow>();
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
      const opening = this.#parts.tunnel(inside.cluster).openUdp(formatEndpoint(address.text, port), {
        flow: listed.id,
      });
      const flow = new ProxiedFlow({ address, port }, listed, answers);
      this.#open.add(flow);
      void this.#carry(flow, opening);
      return flow;
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

  async #carry(flow: ProxiedFlow, opening: Stream | Promise<Stream>): Promise<void> {
    const outcome = await flow.carry(opening);
    this.#open.delete(flow);
    this.#parts.flows.end(flow.listed, outcome);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const flow of this.#open) flow.close();
    await this.#poller?.[Symbol.asyncDispose]();
  }
}

/** The datagrams between a client and one target. Hot path: no promise for a datagram once its stream is there. */
class ProxiedFlow implements DatagramTarget, FlowStream {
  readonly source: Endpoint;
  readonly listed: OpenFlow;
  readonly #answers: DatagramAnswers;
  #datagrams: DatagramStream | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isClosed = false;
  #dropped = 0;

  constructor(source: Endpoint, listed: OpenFlow, answers: DatagramAnswers) {
    this.source = source;
    this.listed = listed;
    this.#answers = answers;
    listed.stream = this;
  }

  get sent(): number {
    return this.#datagrams?.bytesSent ?? 0;
  }

  get received(): number {
    return this.#datagrams?.bytesReceived ?? 0;
  }

  get dropped(): number {
    return this.#dropped + (this.#datagrams?.dropped ?? 0);
  }

  send(payload: Uint8Array): void {
    if (this.#datagrams !== undefined) this.#datagrams.send(payload);
    else if (this.#isClosed || this.#waitingBytes + payload.length > MOST_WAITING) this.#dropped++;
    else {
      this.#waiting.push(payload.slice());
      this.#waitingBytes += payload.length;
    }
  }

  /** Carries it to its end; never rejects. */
  async carry(opening: Stream | Promise<Stream>): Promise<ReturnType<typeof outcomeOfStream>> {
    let isRefused = true;
    try {
      const stream = opening instanceof Promise ? await opening : opening;
      const datagrams = this.#datagrams = new DatagramStream(
        stream,
        (payload) => this.#answers.received(payload),
      );
      for (const payload of this.#waiting.splice(0)) datagrams.send(payload);
      if (this.#isClosed) datagrams.close();
      const end = await datagrams.ended;
      const answer = await stream.response.catch(() => undefined);
      if (answer !== undefined && headerValue(answer, ":status") !== "200") {
        return outcomeOfError(refusalOf(answer));
      }
      isRefused = end.kind === "reset" && end.by === "peer";
      return this.#isClosed ? { kind: "done" } : outcomeOfStream(end);
    } catch (error) {
      return outcomeOfError(error);
    } finally {
      this.#answers.ended(isRefused);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#datagrams?.close();
  }

  abort(reason?: Error): void {
    this.#isClosed = true;
    this.#datagrams?.abort(reason);
  }
}
