/** One flow out by UDP. Hot path: no promise, and no allocation here, for a datagram once its stream is there. */
import type { Stream, StreamEnd } from "../../hbone/mod.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import type { FlowStream, OpenFlow } from "../flow_table.ts";
import type { UdpDestination } from "./captured_udp.ts";

/** Bytes of datagrams that wait until the tunnel is there; those behind them are dropped. */
const MOST_WAITING = 16 * 1024;

/** Where a flow is from and to. */
export interface OutboundFlowEnds {
  readonly destination: UdpDestination;
  readonly callerPort: number;
  /** The cluster that has the destination. */
  readonly cluster: string;
}

/** The datagrams between a program's socket and one captured address and port. */
export class OutboundFlow implements FlowStream {
  readonly ends: OutboundFlowEnds;
  /** Its entry among the flows that are shown. */
  readonly listed: OpenFlow;
  /** Looks in a row that saw no datagram pass; a datagram sets it to 0. */
  silentLooks = 0;
  /** The kernel's id of its program's socket, where that is known: another socket may have the port later. */
  cookie: bigint | undefined;
  /** When it was refused; undefined while it is carried. */
  refusedAt: number | undefined;
  #datagrams: DatagramStream | undefined;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #isClosing = false;
  /** Until it has a stream: ends the wait for the tunnel. */
  #opening: AbortController | undefined = new AbortController();
  #dropped = 0;

  constructor(ends: OutboundFlowEnds, listed: OpenFlow) {
    this.ends = ends;
    this.listed = listed;
    listed.stream = this;
  }

  /** Aborted when it is closed before it has a stream. */
  get closed(): AbortSignal | undefined {
    return this.#opening?.signal;
  }

  get sent(): number {
    return this.#datagrams?.bytesSent ?? 0;
  }

  get received(): number {
    return this.#datagrams?.bytesReceived ?? 0;
  }

  /** Datagrams that found no room, of both directions. */
  get dropped(): number {
    return this.#dropped + (this.#datagrams?.dropped ?? 0);
  }

  /** Sends a datagram of the program. */
  send(payload: Uint8Array): void {
    this.silentLooks = 0;
    if (this.#datagrams !== undefined) this.#datagrams.send(payload);
    else if (this.#waitingBytes + payload.length > MOST_WAITING) this.#dropped++;
    else {
      this.#waiting.push(payload.slice());
      this.#waitingBytes += payload.length;
    }
  }

  /** Its stream is there: what waits is sent. @returns how the stream ends */
  carry(stream: Stream): Promise<StreamEnd> {
    const { destination, callerPort } = this.ends;
    const datagrams = new DatagramStream(stream, (payload) => {
      this.silentLooks = 0;
      if (!destination.send(payload, callerPort)) this.#dropped++;
    });
    this.#datagrams = datagrams;
    this.#opening = undefined;
    for (const payload of this.#waiting.splice(0)) datagrams.send(payload);
    if (this.#isClosing) datagrams.close();
    return datagrams.ended;
  }

  /** Ends it in order: what its program has sent is still carried, unless the tunnel isn't there. */
  close(): void {
    this.#isClosing = true;
    this.#opening?.abort();
    this.#datagrams?.close();
  }

  abort(reason?: Error): void {
    this.#isClosing = true;
    this.#waiting.length = 0;
    this.#opening?.abort();
    this.#datagrams?.abort(reason);
  }
}
