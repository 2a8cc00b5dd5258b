/** Hot path: a datagram of a known flow costs one small view and no promise. */
import { type DatagramEnd, SteeredDatagrams } from "../../ffi/sockets/steered_datagrams.ts";
import { RawDatagrams } from "../../ffi/sockets/raw_datagrams.ts";
import type { Readiness } from "../../ffi/sockets/readiness.ts";
import { closeDescriptor, localEndpoint } from "../../ffi/sockets/socket.ts";
import { addressOf, formatEndpoint } from "../../net/address.ts";
import type { RelayLimit, SteeredPort } from "../../wire/handover.ts";
import type { Log } from "../../wire/log.ts";
import type { Router } from "../routing/router.ts";
import { openUdpStream } from "./laptop_stream.ts";
import type { NestedPlaces } from "./nested_places.ts";
import { PassedFlows } from "./passed_flows.ts";
import { PortPlaces } from "./port_places.ts";
import { IDLE_MS, UdpFlow, type UdpOutcome } from "./udp_flow.ts";
import type { LaptopTunnels } from "./upstreams.ts";

/** Flows of one port of a pod that go to laptops at once, shared by the callers' addresses; further ones are the pod's. */
const MOST_FLOWS_PER_PORT = 4096;
/** Datagrams that are read of one socket before the others have their turn. */
const BATCH = 64;
/** Milliseconds between two looks for flows that have been silent for too long. */
const SWEEP_MS = 5_000;

/** What a pod's datagrams need of the relay that it is part of. */
export interface DatagramHost {
  readonly tunnels: LaptopTunnels;
  /** Tells when sockets can be read. @throws when the process is out of descriptors */
  readonly readiness: Readiness;
  readonly reader: SteeredDatagrams;
  /** Places of all flows, shared by the pods' namespaces, and in each by the callers' addresses. */
  readonly flows: NestedPlaces;
  /** For what callers can cause at will: limited in lines a second. */
  readonly log: Log;
  nextFlow(): string;
  limitMet(uid: string, limit: RelayLimit): void;
}

/** The pod whose datagrams they are. */
export interface DatagramPod {
  readonly uid: string;
  /** "namespace/name" */
  readonly pod: string;
  readonly namespace: string;
  /** Whether an address is one of the pod's. */
  isPods(address: string): boolean;
}

/** The descriptors of one family: the raw socket that answers, and the workers' sockets that datagrams come to. */
export interface DatagramSockets {
  readonly family: 4 | 6;
  readonly raw: number;
  readonly workers: readonly number[];
}

/** A port with its personal rules. */
interface RoutedPort extends SteeredPort {
  readonly router: Router;
}

/** The datagrams that are steered to this relay in one pod, and their flows. */
export class RelayedDatagrams implements Disposable {
  readonly #pod: DatagramPod;
  readonly #host: DatagramHost;
  readonly #owned = new DisposableStack();
  readonly #raw = new Map<4 | 6, RawDatagrams>();
  readonly #passed: PassedFlows;
  /** Ports on loopback of the sockets themselves. */
  readonly #own = new Set<number>();
  readonly #flows = new Map<number, UdpFlow>();
  readonly #places = new PortPlaces(MOST_FLOWS_PER_PORT);
  #ports = new Map<number, RoutedPort>();
  #swept = performance.now();

  /** Owns the sockets, even when it throws. @param passed the descriptor of the map of flows; stays the caller's */
  constructor(pod: DatagramPod, passed: number, sockets: readonly DatagramSockets[], host: DatagramHost) {
    this.#pod = pod;
    this.#host = host;
    const left = new Set(sockets.flatMap(({ raw, workers }) => [raw, ...workers]));
    try {
      this.#passed = this.#owned.use(new PassedFlows(passed));
      for (const { family, raw, workers } of sockets) {
        this.#raw.set(family, this.#owned.use(new RawDatagrams(raw, family)));
        left.delete(raw);
        for (const fd of workers) {
          this.#own.add(localEndpoint(fd).port);
          this.#owned.defer(() => closeDescriptor(fd));
          left.delete(fd);
          this.#owned.use(host.readiness.watch(fd, () => this.#read(fd)));
        }
      }
    } catch (error) {
      this.#owned[Symbol.dispose]();
      throw error;
    } finally {
      for (const fd of left) closeDescriptor(fd);
    }
  }

  /** Sets the ports of UDP and the rules that they have now. A flow that another rule has by now ends: the next datagram begins one. */
  setPorts(ports: readonly SteeredPort[], router: (personal: readonly string[]) => Router): void {
    const steered = ports.filter(({ protocol }) => protocol === "udp");
    this.#ports = new Map(
      steered.map((port) => [port.port, { ...port, router: router(port.personal) }]),
    );
    for (const flow of this.#allFlows()) {
      const port = this.#ports.get(flow.destination.port);
      const rule = port?.router.ofCaller(textOf(flow.caller))?.uid ?? port?.whole;
      if (rule !== flow.rule || !this.#isInForce(rule)) flow.close();
    }
  }

  /** Ends flows that have been silent for too long. To be called now and then. */
  sweep(): void {
    const now = performance.now();
    if (now - this.#swept < SWEEP_MS) return;
    this.#swept = now;
    for (const flow of this.#allFlows()) {
      if (flow.isOver(now)) this.#remove(flow);
      else if (now - flow.used > IDLE_MS) flow.close();
    }
  }

  /** Closes every socket in the pod's network namespace, and ends all flows. */
  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
    for (const flow of this.#allFlows()) flow.close();
  }

  #read(fd: number): void {
    const { reader } = this.#host;
    for (let count = 0; count < BATCH && !this.#owned.disposed && reader.read(fd); count++) this.#received();
  }

  #received(): void {
    const { source, destination, payload } = this.#host.reader;
    const hash = hashOf(source, destination);
    let flow = this.#flows.get(hash);
    while (flow !== undefined && !isOf(flow, source, destination)) flow = flow.next;
    if (flow?.isOver(performance.now())) {
      this.#remove(flow);
      flow = undefined;
    }
    flow ??= this.#begin(hash, source, destination);
    if (flow !== undefined) flow.send(payload);
    else if (!this.#isOwn(destination)) this.#pass(payload, source, destination);
  }

  /** Whether a process in the pod has sent it to the socket itself. */
  #isOwn({ address, port }: DatagramEnd): boolean {
    return this.#own.has(port) &&
      (address[0] === 127 || address.length === 16 && address[15] === 1 && address[0] === 0);
  }

  /** Begins a flow, copying its ends; undefined where its datagrams are the pod's. */
  #begin(hash: number, source: DatagramEnd, destination: DatagramEnd): UdpFlow | undefined {
    const port = this.#ports.get(destination.port);
    if (port === undefined || !this.#pod.isPods(textOf(destination))) return undefined;
    const address = textOf(source);
    const personal = port.router.ofCaller(address);
    const candidates = [personal?.uid, port.whole].filter((uid) => uid !== undefined)
      .filter((uid) => this.#isInForce(uid));
    if (candidates.length === 0 || !this.#enter(port.port, address)) return undefined;
    const flow = this.#host.nextFlow();
    const about = {
      flow,
      pod: this.#pod.pod,
      caller: { address, port: source.port },
      destination: { address: textOf(destination), port: destination.port },
    };
    for (const rule of candidates) {
      const stream = openUdpStream(this.#host.tunnels, rule, about);
      if (stream === undefined) continue;
      if (personal !== undefined && personal.uid === rule) {
        personal.counts.seen++;
        personal.counts.taken++;
      }
      const begun = new UdpFlow({
        stream,
        rule,
        caller: copied(source),
        destination: copied(destination),
        answer: (payload, { caller, destination }) =>
          void this.#raw.get(caller.family)?.send(payload, destination, caller),
        pass: (payload, { caller, destination }) => this.#pass(payload, caller, destination),
        ended: (flow, outcome) => this.#ended(flow, outcome, about.flow),
      });
      begun.next = this.#flows.get(hash);
      this.#flows.set(hash, begun);
      return begun;
    }
    this.#leave(port.port, address);
  }

  #isInForce(rule: string): boolean {
    const { tunnels } = this.#host;
    return tunnels.rule(rule) !== undefined && tunnels.of(rule).length > 0;
  }

  #enter(port: number, address: string): boolean {
    const { flows } = this.#host;
    const isOneMore = this.#places.enter(port, address);
    if (isOneMore && flows.enter(this.#pod.namespace, address)) return true;
    if (isOneMore) this.#places.leave(port, address);
    this.#host.limitMet(this.#pod.uid, "port");
    return false;
  }

  #leave(port: number, address: string): void {
    this.#places.leave(port, address);
    this.#host.flows.leave(this.#pod.namespace, address);
  }

  /** Gives a datagram to the pod's application, with the caller's address, and lets the following ones go there by themselves. */
  #pass(payload: Uint8Array, caller: DatagramEnd, destination: DatagramEnd): void {
    this.#passed.pass(caller, destination.port);
    this.#raw.get(caller.family)?.send(payload, caller, destination);
  }

  #ended(flow: UdpFlow, { kind, details }: UdpOutcome, id: string): void {
    if (kind !== "refused") this.#remove(flow);
    const { dropped } = flow;
    if (kind === "done" && dropped === 0) return;
    const level = kind === "done" ? "info" : "warn";
    this.#host.log(level, kind === "done" ? "datagrams of a flow were dropped" : "a flow failed", {
      flow: id,
      protocol: "udp",
      ...(kind === "done" ? {} : { outcome: kind, details }),
      ...(dropped === 0 ? {} : { dropped }),
      caller: formatEndpoint(textOf(flow.caller), flow.caller.port),
      destination: formatEndpoint(textOf(flow.destination), flow.destination.port),
      pod: this.#pod.pod,
      rule: flow.rule,
    });
  }

  #remove(flow: UdpFlow): void {
    const { caller, destination } = flow;
    const hash = hashOf(caller, destination);
    let [before, one] = [undefined as UdpFlow | undefined, this.#flows.get(hash)];
    while (one !== undefined && one !== flow) [before, one] = [one, one.next];
    if (one === undefined) return;
    if (before !== undefined) before.next = flow.next;
    else if (flow.next !== undefined) this.#flows.set(hash, flow.next);
    else this.#flows.delete(hash);
    this.#leave(destination.port, textOf(caller));
  }

  #allFlows(): UdpFlow[] {
    const all: UdpFlow[] = [];
    for (const flow of this.#flows.values()) {
      for (let one: UdpFlow | undefined = flow; one !== undefined; one = one.next) all.push(one);
    }
    return all;
  }
}

/** A number below 2^53 of a flow's ends; of IPv4 no two callers of a port have the same one. */
function hashOf(source: DatagramEnd, destination: DatagramEnd): number {
  const { address } = source;
  let folded = 0;
  for (let at = 0; at < address.length; at += 4) {
    const word = (address[at] ?? 0) << 24 | (address[at + 1] ?? 0) << 16 | (address[at + 2] ?? 0) << 8 |
      (address[at + 3] ?? 0);
    folded = Math.imul(folded, 31) ^ word;
  }
  return (folded >>> 0) * 0x10000 + (source.port ^ destination.port);
}

function isOf(flow: UdpFlow, source: DatagramEnd, destination: DatagramEnd): boolean {
  return flow.caller.port === source.port && flow.destination.port === destination.port &&
    areSame(flow.caller.address, source.address) && areSame(flow.destination.address, destination.address);
}

function areSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function copied({ family, port, address }: DatagramEnd): DatagramEnd {
  return { family, port, address: address.slice() };
}

function textOf({ family, address }: DatagramEnd): string {
  return family === 4 ? address.join(".") : addressOf(address).text;
}
