import type { ConnectedUdp, ConnectedUdpEvents } from "../../ffi/sockets/connected_udp.ts";
import { UdpPoller } from "../../ffi/sockets/udp_poller.ts";
import type { Header, Stream, StreamEnd } from "../../hbone/mod.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import type { Endpoint } from "../../net/address.ts";
import { headers } from "../../wire/streams.ts";

/** Milliseconds between looks at all flows, by which their times are measured. */
const TICK_MS = 1_000;
/**
 * Ticks after which a flow is answered although nothing has come from its target. Until then a target that refuses, which it does at
 * once, is a refusal of the stream.
 */
const ANSWER_TICKS = 1;

/** How a flow ended. `error`: the target refused it before it had answered. */
export interface UdpEnd {
  readonly end: StreamEnd;
  readonly error?: Error;
  /** Bytes of payloads to the target, and from it. */
  readonly out: number;
  readonly in: number;
}

/** Answers a flow whose target has refused it. */
export type RefuseFlow = (stream: Stream, error: Error, answer: readonly Header[]) => void;

export interface UdpFlowsOptions {
  /** Milliseconds of silence in both directions after which a flow ends: a laptop ends it before. */
  readonly idleMs: number;
  /** Milliseconds of a tick; TICK_MS by default. */
  readonly tickMs?: number;
}

/** The UDP flows of all tunnels of a gateway: each is a stream and a socket of its own. */
export class UdpFlows implements AsyncDisposable {
  readonly #poller: UdpPoller;
  readonly #flows = new Set<UdpFlow>();
  readonly #tickMs: number;
  readonly #idleTicks: number;
  /** Ticks so far. Flows note it with each datagram, which costs less than a clock. */
  readonly #clock = { tick: 0 };
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @throws {SystemCallError} */
  constructor({ idleMs, tickMs = TICK_MS }: UdpFlowsOptions) {
    this.#poller = new UdpPoller();
    this.#tickMs = tickMs;
    this.#idleTicks = Math.ceil(idleMs / tickMs);
  }

  /** Flows that are open. */
  get size(): number {
    return this.#flows.size;
  }

  /**
   * Carries a flow to its end. It is answered with the target's first datagram, or after a second; a target that refuses before is told
   * to `refuse`, which answers in its place.
   * @param answer further headers of the answer
   * @throws {SystemCallError} at once when there can be no socket to the target: the stream isn't answered then
   */
  carry(stream: Stream, target: Endpoint, answer: readonly Header[], refuse: RefuseFlow): Promise<UdpEnd> {
    const flow = new UdpFlow(this.#poller, target, { stream, answer, refuse, clock: this.#clock });
    this.#flows.add(flow);
    this.#timer ??= setInterval(() => this.#tick(), this.#tickMs);
    flow.begin();
    return stream.closed.then((end) => {
      this.#flows.delete(flow);
      if (this.#flows.size === 0) this.#stopTicks();
      return flow.closed(end);
    });
  }

  /** Ends all flows in order. */
  end(): void {
    for (const flow of this.#flows) flow.close();
  }

  #tick(): void {
    const now = ++this.#clock.tick;
    for (const flow of this.#flows) {
      if (now - flow.opened > ANSWER_TICKS) flow.answer();
      if (now - flow.active > this.#idleTicks) flow.close();
    }
  }

  #stopTicks(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    this.#stopTicks();
    await this.#poller[Symbol.asyncDispose]();
  }
}

/** The answer of most flows, which each of their streams keeps. */
const OPENED: readonly Header[] = [[":status", "200"], [headers.capsuleProtocol, "?1"]];

interface UdpFlowParts {
  readonly stream: Stream;
  readonly answer: readonly Header[];
  readonly refuse: RefuseFlow;
  readonly clock: { readonly tick: number };
}

/** Hot path: `received` and `#out` are called for each datagram, and neither makes a promise nor reads a clock. */
class UdpFlow implements ConnectedUdpEvents {
  /** The ticks at which it was opened, and at which the last datagram went either way. */
  readonly opened: number;
  active: number;
  readonly #parts: UdpFlowParts;
  readonly #socket: ConnectedUdp;
  #datagrams: DatagramStream | undefined;
  #isAnswered = false;
  /** Whether the target has sent something. */
  #isHeard = false;
  #error: Error | undefined;

  /** @throws {SystemCallError} */
  constructor(poller: UdpPoller, target: Endpoint, parts: UdpFlowParts) {
    this.#parts = parts;
    this.opened = this.active = parts.clock.tick;
    this.#socket = poller.open(target, this);
  }

  /** Carries datagrams from now on; those that came before are sent by this. */
  begin(): void {
    const datagrams = this.#datagrams = new DatagramStream(this.#parts.stream, this.#out, this.#ending);
    if (this.#error !== undefined) datagrams.close();
  }

  /** Its stream has closed. */
  closed(end: StreamEnd): UdpEnd {
    this.#socket.close();
    const { bytesReceived: out = 0, bytesSent = 0 } = this.#datagrams ?? {};
    return { end, out, in: bytesSent, ...this.#error === undefined ? {} : { error: this.#error } };
  }

  /** Tells the laptop that the flow is open. */
  answer(): void {
    if (this.#isAnswered || this.#error !== undefined) return;
    this.#isAnswered = true;
    const { stream, answer } = this.#parts;
    stream.respond(answer.length === 0 ? OPENED : [...OPENED, ...answer]);
  }

  /** Ends the flow in order. */
  close(): void {
    if (this.#error !== undefined) return;
    this.answer();
    this.#datagrams?.close();
  }

  readonly #ending = (): void => this.answer();

  readonly #out = (payload: Uint8Array): void => {
    this.active = this.#parts.clock.tick;
    this.#socket.send(payload);
  };

  /** From the target. */
  received(payload: Uint8Array): void {
    this.active = this.#parts.clock.tick;
    this.#isHeard = true;
    if (!this.#isAnswered) this.answer();
    this.#datagrams?.send(payload);
  }

  /** An ICMP message: of a target that has answered before, it is one lost datagram. */
  failed(error: Error & { readonly code?: string }): void {
    if (this.#isHeard || this.#error !== undefined || error.code === "EMSGSIZE") return;
    this.#error = error;
    this.#socket.close();
    const { stream, answer, refuse } = this.#parts;
    if (this.#isAnswered) stream.abort(error);
    else refuse(stream, error, answer);
  }
}
