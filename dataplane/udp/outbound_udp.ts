/**
 * Out by UDP: what the user's programs send to captured addresses. A flow is one program's socket and one address and port; its
 * datagrams go through a CONNECT-UDP stream of its own (RFC 9298), and answers come from the address that was asked.
 *
 * Hot path: two lookups for a datagram; no promise and no allocation but for the first one of a flow.
 */
import { type Clock, systemClock } from "../../async/clock.ts";
import { headerValue, type Stream } from "../../hbone/mod.ts";
import { formatEndpoint, type IpAddress, parseAddress } from "../../net/address.ts";
import type { DiagSocket } from "../../ffi/netlink/sock_diag.ts";
import { type Accounts, isAmong } from "../../ffi/proc/socket_owner.ts";
import type { ConnectionEnds } from "../../ffi/proc/socket_program.ts";
import type { Outcome } from "../../wire/flow.ts";
import type { Directory } from "../directory.ts";
import type { FlowStart, FlowTable, OpenFlow } from "../flow_table.ts";
import { outcomeOfDatagrams, outcomeOfError, RELEASED } from "../outcome.ts";
import { refusalOf } from "../tunnel/connect_stream.ts";
import type { Tunnel } from "../tunnel/tunnel.ts";
import type { CapturedUdp, UdpDestination } from "./captured_udp.ts";
import { OutboundFlow } from "./outbound_flow.ts";

/** Flows of a worker. */
const MOST_FLOWS = 4_096;
/** Destinations above which those without flows are closed at once: the kernel's map holds few. */
const MOST_SPARE = MOST_FLOWS / 4;
/** Silence in both directions that ends a flow, in milliseconds: RFC 4787 asks for two minutes at least. */
const IDLE_MS = 120_000;
/** Where there are as many flows as may be, those that have been silent for so long make room, in milliseconds. */
const SPARE_MS = 30_000;
/** Between two looks at the flows, in milliseconds. */
const LOOK_MS = 10_000;
/** How long a caller that was refused is refused at once, in milliseconds: a program that doesn't listen costs no streams. */
const REFUSED_MS = 1_000;

/** A caller's socket, as the kernel knows it; undefined where it is closed. */
type CallerSocket = Pick<DiagSocket, "cookie" | "uid"> | "unknown" | undefined;

/** What flows out by UDP need. */
export interface OutboundUdpParts {
  /** Where datagrams come from: its events are this one's from now on. */
  readonly captured: CapturedUdp & {
    /** pmz's own address of a family, which that of all programs' sockets is; undefined where it isn't known. */
    own(family: 4 | 6): IpAddress | undefined;
  };
  readonly directory: Pick<Directory, "byCapturedAddress">;
  readonly flows: FlowTable;
  readonly programs: { socketOf(ends: ConnectionEnds): CallerSocket };
  /** @throws {NoTunnel} when the cluster isn't connected */
  tunnel(cluster: string): Pick<Tunnel, "openUdp">;
  readonly clock?: Clock;
}

export class OutboundUdp implements Disposable {
  readonly #parts: OutboundUdpParts;
  readonly #clock: Clock;
  /** By destination and the caller's port. A destination without flows stays until the next look: another may come soon. */
  readonly #flows = new Map<UdpDestination, Map<number, OutboundFlow>>();
  /** By `keyOf` their caller. */
  readonly #ofCaller = new Map<number, Set<OutboundFlow>>();
  #size = 0;
  /** Whether there was no room for a flow since the last look. */
  #isFull = false;
  #nextLook: Disposable | undefined;
  /** Whose sockets alone have flows. */
  accounts: Accounts = [];

  constructor(parts: OutboundUdpParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    parts.captured.received = this.#received;
    parts.captured.closed = this.#callerClosed;
    parts.captured.lost = this.#lost;
  }

  readonly #received = (payload: Uint8Array, callerPort: number, destination: UdpDestination): void => {
    const flow = this.#flows.get(destination)?.get(callerPort);
    if (flow === undefined) this.#first(payload, callerPort, destination);
    else if (flow.refusedAt === undefined) flow.send(payload);
    else if (this.#clock.now() - flow.refusedAt < REFUSED_MS) destination.refuse(callerPort);
    else {
      this.#remove(flow);
      this.#first(payload, callerPort, destination);
    }
  };

  /** A datagram of no flow. That its socket was closed may have been told before it came: then it is the last one, too. */
  #first(payload: Uint8Array, callerPort: number, destination: UdpDestination): void {
    if (!this.#hasRoomFor(destination, callerPort)) return;
    const ends = this.#endsOf(destination, callerPort);
    const socket = this.#socketOf(ends);
    const seen = socket === "unknown" ? undefined : socket;
    if (seen !== undefined && !isAmong(seen.uid, this.accounts)) return destination.refuse(callerPort);
    const flow = this.#begin(destination, callerPort, ends);
    if (flow === undefined) return;
    flow.cookie = seen?.cookie;
    flow.send(payload);
    if (socket === undefined) this.#close(flow);
  }

  /** A socket with this port was closed: maybe another one, of another family or address, or one that shared the port. */
  readonly #callerClosed = (family: 4 | 6, callerPort: number): void => {
    for (const flow of this.#ofCaller.get(keyOf(family, callerPort)) ?? []) {
      const socket = this.#socketOf(flow.listed.socket);
      if (socket === "unknown") continue;
      if (socket === undefined || socket.cookie !== flow.cookie) this.#close(flow);
    }
  };

  /** The socket that answers to a caller come to. */
  #socketOf(ends: ConnectionEnds | undefined): CallerSocket {
    return ends === undefined ? "unknown" : this.#parts.programs.socketOf(ends);
  }

  /** Ends a cluster's flows to addresses that it has no longer; another cluster may have the same ones. */
  release(cluster: string, addresses: readonly string[]): void {
    const released = new Set(addresses);
    for (const [destination, flows] of this.#flows) {
      if (!released.has(destination.address)) continue;
      for (const flow of flows.values()) {
        if (flow.ends.cluster !== cluster) continue;
        this.#remove(flow);
        this.#parts.flows.end(flow.listed, { kind: "reset", by: "laptop", details: RELEASED });
        flow.abort();
      }
      if (flows.size === 0) this.#forget(destination);
    }
  }

  /** A destination has failed: nothing comes from it any more. */
  readonly #lost = (destination: UdpDestination, why: Error): void => {
    const outcome = outcomeOfError(why);
    for (const flow of this.#flows.get(destination)?.values() ?? []) {
      this.#remove(flow);
      this.#parts.flows.end(flow.listed, outcome);
      flow.abort(why);
      destination.refuse(flow.ends.callerPort);
    }
    this.#flows.delete(destination);
  };

  [Symbol.dispose](): void {
    for (const [destination, flows] of this.#flows) {
      for (const flow of flows.values()) this.#close(flow);
      this.#forget(destination);
    }
    this.#nextLook?.[Symbol.dispose]();
    this.#nextLook = undefined;
  }

  #hasRoomFor(destination: UdpDestination, callerPort: number): boolean {
    if (this.#isFull) return false;
    if (this.#size < MOST_FLOWS || this.#makeRoom()) return true;
    this.#failAtOnce(destination, callerPort, noRoom());
    this.#isFull = true;
    return false;
  }

  /** @returns undefined where no cluster has the address */
  #begin(
    destination: UdpDestination,
    callerPort: number,
    ends: ConnectionEnds | undefined,
  ): OutboundFlow | undefined {
    const { address, port } = destination;
    const target = this.#parts.directory.byCapturedAddress(address);
    if (target === undefined) {
      this.#failAtOnce(destination, callerPort, {
        kind: "refused",
        by: "laptop",
        error: "destination_not_found",
        details: `no connected cluster has the address ${address} any more`,
      });
      destination.refuse(callerPort);
      return undefined;
    }
    const { cluster, virtual } = target;
    const to = formatEndpoint(target.address, port);
    const flow = new OutboundFlow(
      { destination, callerPort, cluster },
      this.#list({
        cluster,
        to,
        from: ends ?? `port ${callerPort}`,
        ...(virtual === undefined ? {} : { virtual: formatEndpoint(virtual, port) }),
      }),
    );
    this.#add(flow);
    this.#open(flow, to);
    return flow;
  }

  /** Undefined while pmz's own address isn't known. */
  #endsOf({ address: text, family, port }: UdpDestination, callerPort: number): ConnectionEnds | undefined {
    const [address, own] = [parseAddress(text), this.#parts.captured.own(family)];
    if (address === undefined || own === undefined) return undefined;
    return { protocol: "udp", local: { address, port }, remote: { address: own, port: callerPort } };
  }

  #list(start: Omit<FlowStart, "kind" | "protocol">): OpenFlow {
    return this.#parts.flows.begin({ kind: "captured", protocol: "udp", ...start });
  }

  #failAtOnce(destination: UdpDestination, callerPort: number, outcome: Outcome): void {
    const to = formatEndpoint(destination.address, destination.port);
    const from = this.#endsOf(destination, callerPort) ?? `port ${callerPort}`;
    this.#parts.flows.end(this.#list({ cluster: "", to, from }), outcome);
  }

  #open(flow: OutboundFlow, to: string): void {
    try {
      const opening = this.#parts.tunnel(flow.ends.cluster).openUdp(to, {
        flow: flow.listed.id,
        signal: flow.closed,
      });
      if (opening instanceof Promise) {
        opening.then(
          (stream) => this.#carry(flow, stream),
          (error) => this.#ended(flow, outcomeOfError(error)),
        );
      } else void this.#carry(flow, opening);
    } catch (error) {
      this.#ended(flow, outcomeOfError(error));
    }
  }

  async #carry(flow: OutboundFlow, stream: Stream): Promise<void> {
    const end = await flow.carry(stream);
    const answer = await stream.response.catch(() => undefined);
    const isRefused = answer !== undefined && headerValue(answer, ":status") !== "200";
    this.#ended(flow, isRefused ? outcomeOfError(refusalOf(answer)) : outcomeOfDatagrams(end));
  }

  /** A flow has ended, in order or not. Its caller is told where the cluster refuses it: of what the tunnel loses it tries again. */
  #ended(flow: OutboundFlow, outcome: Outcome): void {
    const { destination, callerPort } = flow.ends;
    this.#parts.flows.end(flow.listed, outcome);
    if (this.#flows.get(destination)?.get(callerPort) !== flow || flow.refusedAt !== undefined) return;
    const isRefused = outcome.kind === "refused" || outcome.kind === "reset" && outcome.by === "server";
    if (!isRefused) return this.#remove(flow);
    flow.refusedAt = this.#clock.now();
    destination.refuse(callerPort);
  }

  /** Ends a flow in order. */
  #close(flow: OutboundFlow): void {
    this.#remove(flow);
    flow.close();
  }

  #add(flow: OutboundFlow): void {
    const { destination, callerPort } = flow.ends;
    const flows = this.#flows.get(destination);
    if (flows) flows.set(callerPort, flow);
    else this.#flows.set(destination, new Map([[callerPort, flow]]));
    const caller = keyOf(destination.family, callerPort);
    const others = this.#ofCaller.get(caller);
    if (others) others.add(flow);
    else this.#ofCaller.set(caller, new Set([flow]));
    this.#size++;
    this.#nextLook ??= this.#clock.after(LOOK_MS, this.#look);
  }

  /** Its caller's next datagram begins another flow. */
  #remove(flow: OutboundFlow): void {
    const { destination, callerPort } = flow.ends;
    const flows = this.#flows.get(destination);
    if (flows?.get(callerPort) !== flow) return;
    flows.delete(callerPort);
    const caller = keyOf(destination.family, callerPort);
    const others = this.#ofCaller.get(caller);
    others?.delete(flow);
    if (others?.size === 0) this.#ofCaller.delete(caller);
    this.#size--;
    if (flows.size === 0 && this.#flows.size > MOST_SPARE) this.#forget(destination);
  }

  #forget(destination: UdpDestination): void {
    this.#flows.delete(destination);
    destination.close();
  }

  /** Ends flows that have been silent for a while. @returns whether there is room now */
  #makeRoom(): boolean {
    for (const flow of this.#all()) {
      if (flow.silentLooks * LOOK_MS >= SPARE_MS) this.#close(flow);
    }
    return this.#size < MOST_FLOWS;
  }

  readonly #look = (): void => {
    const now = this.#clock.now();
    for (const [destination, flows] of this.#flows) {
      if (flows.size === 0) this.#forget(destination);
    }
    for (const flow of this.#all()) {
      if (flow.refusedAt !== undefined) {
        if (now - flow.refusedAt >= REFUSED_MS) this.#remove(flow);
      } else if (flow.silentLooks++ * LOOK_MS >= IDLE_MS) this.#close(flow);
    }
    this.#isFull = false;
    this.#nextLook = this.#flows.size > 0 ? this.#clock.after(LOOK_MS, this.#look) : undefined;
  };

  *#all(): Generator<OutboundFlow> {
    for (const flows of this.#flows.values()) yield* flows.values();
  }
}

/** One number for a caller. */
function keyOf(family: 4 | 6, port: number): number {
  return family === 4 ? port : port + 0x1_0000;
}

function noRoom(): Outcome {
  return {
    kind: "refused",
    by: "laptop",
    error: "connection_limit_reached",
    details: `${MOST_FLOWS} UDP flows are open: datagrams of others are dropped`,
  };
}
