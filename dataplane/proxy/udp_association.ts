/**
 * A SOCKS5 UDP association (RFC 1928 §7): a socket on loopback to which one client sends datagrams, each with its target, and from which
 * it gets the answers.
 *
 * Hot path: a datagram to the same target as the one before is found by comparing its header's bytes; no promise, no closure.
 */
import type { Arrival } from "../../ffi/proc/socket_owner.ts";
import type { BoundUdp, BoundUdpEvents, Sender } from "../../ffi/sockets/bound_udp.ts";
import type { UdpPoller } from "../../ffi/sockets/udp_poller.ts";
import { type Endpoint, formatEndpoint } from "../../net/address.ts";
import type { Association } from "./socks5.ts";
import { formatHeader, headerLength, LONGEST_HEADER, targetOf } from "./socks5_datagram.ts";
import type { ProxyTarget } from "./target.ts";

/** Targets of one association. */
const MOST_TARGETS = 256;
/** Milliseconds of silence in both directions that end a target's flow (RFC 4787 §4.3). */
const IDLE_MS = 120_000;
/** Milliseconds between looks for silent flows, and at whose the client's socket is. */
const LOOK_MS = 10_000;
/** Milliseconds for which datagrams to a target that has refused are dropped: each would open another flow. */
const REFUSED_MS = 1_000;
/** Bytes of a sender's datagrams that wait until its account is known. */
const MOST_WAITING = 16 * 1024;
/** Senders whose accounts are looked up at once. */
const MOST_UNKNOWN = 8;
/** Bytes of the largest datagram with its header. */
const LARGEST = LONGEST_HEADER + 64 * 1024;

/** The flow to a target. */
export interface DatagramTarget {
  /** Where its answers come from. */
  readonly source: Endpoint;
  send(payload: Uint8Array): void;
  /** Ends it in order. */
  close(): void;
}

/** What the flow to a target tells. */
export interface DatagramAnswers {
  /** `payload` is valid during the call only. */
  received(payload: Uint8Array): void;
  /**
   * The flow has ended, in order or not; never called within `open`.
   * @param refused there is nobody, and the next one would be refused as well
   */
  ended(refused: boolean): void;
}

/** Who a client is: its socket's end, and the association's. */
export interface AssociationEnds {
  readonly remote: Endpoint;
  readonly local: Endpoint;
}

/** Opens the flow to a target; undefined where there is no way to it. */
export type OpenDatagrams = (
  client: AssociationEnds,
  target: ProxyTarget,
  answers: DatagramAnswers,
) => DatagramTarget | undefined;

export interface AssociationParts {
  readonly poller: Pick<UdpPoller, "bind">;
  /** Where the socket is bound: loopback, as the proxy is. */
  readonly address: Endpoint["address"];
  /** Whether datagrams come from an account that may use the proxy. */
  readonly allow: (arrival: Arrival) => Promise<boolean>;
  readonly open: OpenDatagrams;
  /** REFUSED_MS by default. */
  readonly refusedMs?: number;
  /** LOOK_MS by default. */
  readonly lookMs?: number;
}

/** A sender whose account isn't known yet. */
interface UnknownSender {
  readonly remote: Endpoint;
  /** Its address as the kernel has it. */
  readonly name: Uint8Array<ArrayBuffer>;
  readonly datagrams: Uint8Array[];
}

/** A target of an association, by the header of the datagrams to it. */
class Target {
  readonly header: Uint8Array<ArrayBuffer>;
  flow: DatagramTarget | undefined;
  /** The header of its answers. */
  answerHeader: Uint8Array<ArrayBuffer> | undefined;
  /** Whether a datagram went either way since the last look. */
  isActive = true;
  silentMs = 0;
  /** When it refused, by performance.now(). */
  refusedAt = -Infinity;

  constructor(header: Uint8Array<ArrayBuffer>) {
    this.header = header;
  }

  /** Whether a datagram begins with its header. */
  isOf(datagram: Uint8Array): boolean {
    const { header } = this;
    if (datagram.length < header.length) return false;
    for (let i = 0; i < header.length; i++) if (datagram[i] !== header[i]) return false;
    return true;
  }
}

export class UdpAssociation implements Association, BoundUdpEvents {
  readonly local: Endpoint;
  readonly #parts: AssociationParts;
  readonly #socket: BoundUdp;
  /** The client's socket, once its account is known: no other is heard. */
  #client: { readonly name: Uint8Array<ArrayBuffer>; readonly ends: AssociationEnds } | undefined;
  /** Senders whose account is being looked up, by address and port. */
  readonly #unknown = new Map<string, UnknownSender>();
  /** The last of those for whom there was no place: a stranger that sends from many ports keeps nobody out for long. */
  #next: UnknownSender | undefined;
  readonly #targets = new Map<string, Target>();
  #last: Target | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isOpen = true;
  /** Datagrams that were dropped: of others, without a valid header, or without room. */
  dropped = 0;

  /** @throws {SystemCallError} */
  constructor(parts: AssociationParts) {
    this.#parts = parts;
    this.#socket = parts.poller.bind({ address: parts.address, port: 0 }, this);
    this.local = this.#socket.local;
  }

  /** Targets with a flow. */
  get size(): number {
    return [...this.#targets.values()].filter(({ flow }) => flow !== undefined).length;
  }

  received(datagram: Uint8Array, sender: Sender): void {
    if (this.#client === undefined) this.#ask(datagram, sender);
    else if (sender.is(this.#client.name)) this.#relay(datagram, this.#client.ends);
    else this.dropped++;
  }

  failed(): void {
    // Unconnected sockets are told of nothing that matters here.
  }

  /** Looks up whose socket a sender's is, which takes a read of the kernel's table. */
  #ask(datagram: Uint8Array, sender: Sender): void {
    const remote = sender.endpoint;
    const key = keyOf(remote);
    const known = this.#unknown.get(key) ??
      (this.#next && sender.is(this.#next.name) ? this.#next : undefined);
    if (known !== undefined) {
      const bytes = known.datagrams.reduce((sum, { length }) => sum + length, datagram.length);
      if (bytes > MOST_WAITING) this.dropped++;
      else known.datagrams.push(datagram.slice());
      return;
    }
    const unknown = { remote, name: sender.copy(), datagrams: [datagram.slice()] };
    if (this.#unknown.size < MOST_UNKNOWN) return void this.#know(unknown);
    this.dropped += this.#next?.datagrams.length ?? 0;
    this.#next = unknown;
  }

  async #know(unknown: UnknownSender): Promise<void> {
    const { remote, name, datagrams } = unknown;
    this.#unknown.set(keyOf(remote), unknown);
    const isAllowed = await this.#mayUse(remote);
    this.#unknown.delete(keyOf(remote));
    if (!this.#isOpen) return;
    const next = this.#next;
    this.#next = undefined;
    if (next !== undefined) void this.#know(next);
    if (!isAllowed || this.#client !== undefined) return void (this.dropped += datagrams.length);
    const ends = { remote, local: this.local };
    this.#client = { name, ends };
    this.#timer ??= setInterval(() => this.#look(), this.#lookMs);
    for (const datagram of datagrams) this.#relay(datagram, ends);
  }

  #mayUse(remote: Endpoint): Promise<boolean> {
    const end = ({ address, port }: Endpoint) => ({ address: address.text, port });
    return this.#parts.allow({ protocol: "udp", peer: end(remote), own: end(this.local) }).catch(() => false);
  }

  /** Forgets a client that has closed its socket: another account may have its port next. */
  async #checkClient(): Promise<void> {
    const client = this.#client;
    if (client === undefined || await this.#mayUse(client.ends.remote) || this.#client !== client) return;
    this.#client = undefined;
    this.#endAll();
  }

  #relay(datagram: Uint8Array, ends: AssociationEnds): void {
    let target = this.#last;
    if (target === undefined || !target.isOf(datagram)) {
      target = this.#targetOf(datagram);
      if (target === undefined) return void this.dropped++;
      this.#last = target;
    }
    const flow = target.flow ?? this.#open(target, ends);
    if (flow === undefined) return void this.dropped++;
    target.isActive = true;
    flow.send(datagram.subarray(target.header.length));
  }

  /** Undefined where the header isn't valid, or there is no room for another target. */
  #targetOf(datagram: Uint8Array): Target | undefined {
    const length = headerLength(datagram);
    if (length < 0) return undefined;
    const header = datagram.slice(0, length);
    const key = String.fromCharCode(...header);
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    if (this.#targets.size >= MOST_TARGETS) return undefined;
    const target = new Target(header);
    this.#targets.set(key, target);
    return target;
  }

  #open(target: Target, ends: AssociationEnds): DatagramTarget | undefined {
    const { refusedAt, header } = target;
    const to = targetOf(header, header.length);
    if (to === undefined || performance.now() - refusedAt < (this.#parts.refusedMs ?? REFUSED_MS)) {
      return undefined;
    }
    const flow = this.#parts.open(ends, to, {
      received: (payload) => this.#answer(target, payload),
      ended: (refused) => {
        if (target.flow !== flow) return;
        target.flow = undefined;
        if (refused) target.refusedAt = performance.now();
      },
    });
    target.flow = flow;
    if (flow === undefined) target.refusedAt = performance.now();
    else target.answerHeader = formatHeader(flow.source);
    return flow;
  }

  #answer(target: Target, payload: Uint8Array): void {
    const { answerHeader } = target;
    if (this.#client === undefined || answerHeader === undefined) return;
    target.isActive = true;
    scratch.set(answerHeader);
    scratch.set(payload, answerHeader.length);
    const datagram = scratch.subarray(0, answerHeader.length + payload.length);
    if (!this.#socket.send(datagram, this.#client.name)) this.dropped++;
  }

  get #lookMs(): number {
    return this.#parts.lookMs ?? LOOK_MS;
  }

  /** Ends flows that were silent for long, and forgets their targets. */
  #look(): void {
    void this.#checkClient();
    for (const [key, target] of this.#targets) {
      target.silentMs = target.isActive ? 0 : target.silentMs + this.#lookMs;
      target.isActive = false;
      if (target.silentMs < IDLE_MS && target.flow !== undefined) continue;
      this.#targets.delete(key);
      if (this.#last === target) this.#last = undefined;
      end(target);
    }
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearInterval(this.#timer);
    this.#socket.close();
    this.#endAll();
    this.#client = undefined;
    this.#next = undefined;
  }

  #endAll(): void {
    for (const target of this.#targets.values()) end(target);
    this.#targets.clear();
    this.#last = undefined;
  }
}

function keyOf({ address, port }: Endpoint): string {
  return formatEndpoint(address.text, port);
}

function end(target: Target): void {
  const { flow } = target;
  target.flow = undefined;
  flow?.close();
}

/** Where an answer is put together before it is sent, which is at once. */
const scratch = new Uint8Array(LARGEST);
