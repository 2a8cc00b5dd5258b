import {
  type AdoptedListener,
  adoptListener,
  adoptSocket,
  type SocketTransport,
} from "../../ffi/sockets/adopt.ts";
import { Beat } from "../../ffi/bpf/mmap.ts";
import { closeDescriptor, startConnect } from "../../ffi/sockets/socket.ts";
import type { AttachMessage, SteeredPort } from "../../wire/handover.ts";
import { type Endpoint, formatEndpoint, parseAddress } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { type Caller, carry, type Way } from "./proxied_connection.ts";
import { Stock } from "./socket_pool.ts";
import type { Tunnels } from "./tunnels.ts";

/** What a pod needs of the relay that it's part of. */
export interface PodHost {
  readonly tunnels: Pick<Tunnels, "of" | "rule">;
  /** Asks attach for sockets of a pod. */
  need(uid: string, family: 4 | 6, count: number): void;
  /** Whose a connection is. */
  whose(caller: Endpoint, destination: Endpoint): Promise<Caller>;
  /** Whether another connection may be taken; if so, `left` is called at its end. */
  enter(): boolean;
  left(way: Way): void;
}

/** Connections to one port of a pod that go to the laptop at once; the pod takes what is beyond. */
const MOST_PER_PORT = 4096;

/** What came with the message that a pod is taken over. */
export type Handover = Extract<AttachMessage, { tell: "pod" }>;

/** A pod whose connections come to this relay: its listeners, its beat, its stock of sockets. */
export class RelayedPod implements Disposable {
  readonly #handover: Handover;
  readonly #host: PodHost;
  readonly #owned = new DisposableStack();
  readonly #beat: Beat;
  readonly #stocks = new Map<4 | 6, Stock>();
  readonly #listeners: AdoptedListener[] = [];
  readonly #listening = new Set<string>();
  readonly #addresses: ReadonlySet<string>;
  readonly #open = new Set<SocketTransport>();
  readonly #counts = new Map<number, number>();
  #rules = new Map<number, string>();

  /** Takes all descriptors over, whatever happens. @throws when there are fewer than the message says. */
  constructor(handover: Handover, fds: readonly number[], host: PodHost) {
    this.#handover = handover;
    this.#host = host;
    this.#addresses = new Set(handover.addresses.map((ip) => parseAddress(ip)?.text ?? ip));
    const left = new Set(fds);
    try {
      const [beats, ...listeners] = fds;
      if (beats === undefined || listeners.length !== handover.families.length * handover.workers) {
        throw new TypeError(`pod ${handover.pod} came with ${fds.length} descriptors`);
      }
      this.setPorts(handover.ports);
      this.#beat = this.#owned.use(new Beat(beats));
      for (const family of handover.families) {
        this.#stocks.set(family, this.#owned.use(this.#makeStock(family)));
      }
      for (const fd of listeners) {
        const listener = this.#owned.use(adoptListener(fd, (socket) => this.#accepted(socket)));
        left.delete(fd);
        this.#listeners.push(listener);
        this.#listening.add(endpointText(listener.address));
      }
    } catch (error) {
      this.#owned[Symbol.dispose]();
      throw error;
    } finally {
      for (const fd of left) closeDescriptor(fd);
    }
    this.beat();
  }

  /**
   * Says that every worker is alive. While attach hangs, so that the pod can't be dialled for what isn't the laptop's, or connections
   * can't be accepted, nothing is said: after two seconds the pod is left to answer itself.
   */
  beat(): void {
    const starved = [...this.#stocks.values()].filter((stock) => stock.starved);
    for (const stock of starved) stock.retry();
    const deaf = this.#listeners.filter((listener) => !listener.look());
    if (starved.length > 0 || deaf.length > 0) return;
    for (let worker = 0; worker < this.#handover.workers; worker++) this.#beat.beat(worker);
  }

  setPorts(ports: readonly SteeredPort[]): void {
    this.#rules = new Map(ports.map(({ port, rule }) => [port, rule]));
  }

  addSockets(family: 4 | 6, fds: readonly number[]): void {
    const stock = this.#stocks.get(family);
    if (stock) stock.add(fds);
    else for (const fd of fds) closeDescriptor(fd);
  }

  /** Closes all that reaches into the pod; its callers see a reset. */
  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
    for (const socket of this.#open) socket.abort(new Error("the pod is gone, or left alone again"));
  }

  #accepted(socket: SocketTransport): void {
    let destination: Endpoint, caller: Endpoint;
    try {
      [destination, caller] = [socket.local, socket.remote];
    } catch {
      return socket.close(); // gone already
    }
    // Whoever dials the listener itself is inside the pod, and would pass for a caller.
    if (this.#listening.has(endpointText(destination)) || !this.#host.enter()) return socket.abort();
    this.#open.add(socket);
    this.#carry(socket, caller, destination);
  }

  async #carry(socket: SocketTransport, caller: Endpoint, destination: Endpoint): Promise<void> {
    const { port } = destination;
    const count = this.#counts.get(port) ?? 0;
    const isPods = this.#addresses.size === 0 || this.#addresses.has(destination.address.text);
    const rule = isPods && count < MOST_PER_PORT ? this.#rules.get(port) : undefined;
    this.#counts.set(port, count + 1);
    const way = await carry({ transport: socket, caller: plain(caller), destination: plain(destination) }, {
      pod: this.#handover.pod,
      rule,
      tunnels: this.#host.tunnels,
      whose: () => this.#host.whose(caller, destination),
      dialPod: () => this.#dial(destination),
    });
    this.#open.delete(socket);
    const left = (this.#counts.get(port) ?? 1) - 1;
    if (left > 0) this.#counts.set(port, left);
    else this.#counts.delete(port);
    this.#host.left(way);
  }

  async #dial(destination: Endpoint): Promise<AbortableTransport> {
    const stock = this.#stocks.get(destination.address.family);
    if (!stock) throw new Error(`pod ${this.#handover.pod} has no IPv${destination.address.family}`);
    const fd = await stock.take();
    try {
      startConnect(fd, destination);
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
    return adoptSocket(fd);
  }

  #makeStock(family: 4 | 6): Stock {
    const { uid } = this.#handover;
    return new Stock({ ask: (count) => this.#host.need(uid, family, count), close: closeDescriptor });
  }
}

function plain({ address, port }: Endpoint) {
  return { address: address.text, port };
}

function endpointText({ address, port }: Endpoint): string {
  return formatEndpoint(address.text, port);
}
