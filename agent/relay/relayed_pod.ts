import { type AdoptedListener, adoptListener, adoptSocket } from "../../ffi/sockets/adopt.ts";
import type { AcceptedConnection, ConnectionKind } from "../../ffi/sockets/connection_kind.ts";
import type { BufferPool } from "../../hbone/mod.ts";
import { Beat } from "../../ffi/bpf/mmap.ts";
import { probeAccepted } from "../../ffi/sockets/keep_alive.ts";
import { bindSourceAddress, closeDescriptor, startConnect } from "../../ffi/sockets/socket.ts";
import type { AttachMessage, RelayLimit, SteeredPort } from "../../wire/handover.ts";
import type { Log } from "../../wire/log.ts";
import { type Endpoint, formatEndpoint, parseAddress } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { carry } from "./intercepted_connection.ts";
import { type CarriedOutcome, type LaptopTunnels, levelOf, outcomeWords, type Source } from "./upstreams.ts";
import { Router } from "../routing/router.ts";
import type { MirrorLimits } from "./mirror_limits.ts";
import type { Places } from "./places.ts";
import { type DatagramHost, type DatagramSockets, RelayedDatagrams } from "./relayed_datagrams.ts";
import { PortPlaces } from "./port_places.ts";
import { SocketPool } from "./socket_pool.ts";

/** What a pod needs of the relay that it is part of. */
export interface PodHost extends DatagramHost {
  readonly tunnels: LaptopTunnels;
  readonly longHeads: Places;
  readonly streams: Places;
  readonly mirrorLimits: MirrorLimits;
  /** The personal rules of these that are known, in their order. */
  router(personal: readonly string[]): Router;
  /** For what callers can cause at will: limited in lines a second. */
  readonly log: Log;
  /** The kind that connections are made of. @throws when this Deno has none, or the process is out of descriptors. */
  readonly connectionKind: ConnectionKind;
  /** What HTTP/2 of all pods is read and written with. */
  readonly buffers: BufferPool;
  /** Asks attach for sockets of a pod. */
  requestSockets(uid: string, family: 4 | 6, count: number): void;
  /** Tells probes from other connections. */
  classify(caller: Endpoint, destination: Endpoint): Promise<Source>;
  /** An id for the next connection. */
  nextFlow(): string;
  /** Whether another connection of a caller's address may be taken; if so, `left` is called at its end. */
  enter(caller: string, pod: PodIdentity): boolean;
  left(caller: string, pod: PodIdentity): void;
  /** A connection of a pod has met a limit. */
  limitMet(uid: string, limit: RelayLimit): void;
}

/** Whose connections they are. */
export interface PodIdentity {
  readonly namespace: string;
}

/**
 * Connections to one port of a pod that go to laptops at once, shared by the callers' addresses; further ones go to the pod.
 */
const MOST_PER_PORT = 4096;

/**
 * Seconds of silence after which a caller is probed. Relay answers what its pod would probe it with, TCP's keep-alive and HTTP/2's
 * PING, so nothing else notices that a caller's node has failed.
 */
const CALLER_SILENCE_S = 60;

const noRules = new Router([]);

/** A connection that is carried. */
interface OpenConnection {
  /** The pod's port. */
  readonly port: number;
  readonly caller: string;
  isUnrouted: boolean;
  /** What it sends to the pod is copied where a rule wants that. */
  isMirrored: boolean;
}

/** The message that hands a pod over. */
export type Handover = Extract<AttachMessage, { tell: "pod" }>;

/** A pod whose connections and datagrams come to this relay: its sockets, its heartbeat, its sockets to dial the application. */
export class RelayedPod implements Disposable {
  readonly #handover: Handover;
  readonly #identity: PodIdentity;
  readonly #host: PodHost;
  readonly #owned = new DisposableStack();
  /** Undefined where UDP can't be steered. */
  readonly #datagrams: RelayedDatagrams | undefined;
  readonly #heartbeat: Beat;
  readonly #kind: ConnectionKind;
  readonly #pools = new Map<4 | 6, SocketPool>();
  readonly #listeners: AdoptedListener[] = [];
  readonly #listening = new Set<string>();
  readonly #addresses: ReadonlySet<string>;
  readonly #open = new Map<AcceptedConnection, OpenConnection>();
  /** Of the connections that go to laptops, as far as rules take them. */
  readonly #places = new PortPlaces(MOST_PER_PORT);
  #steered: readonly SteeredPort[] = [];
  /** Those of TCP. */
  #ports = new Map<number, SteeredPort>();
  /** Of the ports that have personal rules. */
  #routers = new Map<number, Router>();

  /** Owns all descriptors, even when it throws. @throws when there are fewer than the message says. */
  constructor(handover: Handover, fds: readonly number[], host: PodHost) {
    this.#handover = handover;
    this.#identity = { namespace: handover.pod.slice(0, handover.pod.indexOf("/")) };
    this.#host = host;
    this.#addresses = new Set(handover.addresses.map((ip) => parseAddress(ip)?.text ?? ip));
    const left = new Set(fds);
    try {
      const { beats, listeners, passed, datagrams } = sorted(handover, fds);
      this.#heartbeat = this.#owned.use(new Beat(beats));
      for (const family of handover.families) {
        this.#pools.set(family, this.#owned.use(this.#makePool(family)));
      }
      this.#kind = host.connectionKind;
      if (passed !== undefined) {
        for (const { raw, workers } of datagrams) for (const fd of [raw, ...workers]) left.delete(fd);
        const pod = {
          uid: handover.uid,
          pod: handover.pod,
          namespace: this.#identity.namespace,
          isPods: (address: string) => this.#addresses.size === 0 || this.#addresses.has(address),
        };
        this.#datagrams = this.#owned.use(new RelayedDatagrams(pod, passed, datagrams, host));
      }
      this.setPorts(handover.ports);
      for (const fd of listeners) {
        probeAccepted(fd, CALLER_SILENCE_S);
        const listener = this.#owned.use(adoptListener(fd, (socket) => this.#accepted(socket), this.#kind));
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
   * Writes the heartbeat of every worker. It stops while the pod can't be dialled, since attach hangs, or connections can't
   * be accepted: after two seconds without one the pod answers by itself (bpf/intercept.bpf.c).
   */
  beat(): void {
    const starved = [...this.#pools.values()].filter((pool) => pool.starved);
    for (const pool of starved) pool.retry();
    const deaf = this.#listeners.filter((listener) => !listener.look());
    if (starved.length > 0 || deaf.length > 0) return;
    for (let worker = 0; worker < this.#handover.workers; worker++) this.#heartbeat.beat(worker);
    this.#datagrams?.sweep();
  }

  setPorts(ports: readonly SteeredPort[]): void {
    this.#steered = ports;
    this.#ports = new Map(
      ports.filter(({ protocol }) => protocol === "tcp").map((port) => [port.port, port]),
    );
    this.rulesChanged();
  }

  /**
   * Rules are in force for the first time. Connections that are open, and go on without a look at what they say, are closed
   * once where such a rule may take some of theirs: callers that keep them open would not be routed.
   */
  newlyInForce(rules: ReadonlySet<string>): void {
    for (const [socket, { port, caller, isUnrouted, isMirrored }] of this.#open) {
      const whole = this.#ports.get(port)?.whole;
      const router = this.#routers.get(port);
      const isTaken = (whole !== undefined && rules.has(whole)) || (router?.mayTake(rules, caller) ?? false);
      const isCopied = router?.mayMirror(rules, caller) ?? false;
      if (isUnrouted && isTaken || !isMirrored && isCopied) {
        socket.abort(new Error("a new rule takes the connection, or requests of it"));
      }
    }
  }

  /** Prepares routers again: other rules are known or in force, or take something else. */
  rulesChanged(): void {
    const routed = [...this.#ports.values()].filter(({ personal }) => personal.length > 0);
    this.#routers = new Map(routed.map(({ port, personal }) => [port, this.#host.router(personal)]));
    this.#datagrams?.setPorts(this.#steered, (personal) => this.#host.router(personal));
  }

  addSockets(family: 4 | 6, fds: readonly number[]): void {
    const pool = this.#pools.get(family);
    if (pool) pool.add(fds);
    else for (const fd of fds) closeDescriptor(fd);
  }

  /** Closes every socket in the pod's network namespace; callers see a reset. */
  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
    for (const socket of this.#open.keys()) socket.abort(new Error("the pod was released"));
  }

  #accepted(socket: AcceptedConnection): void {
    const { local: destination, remote: caller } = socket.ends;
    // A process inside the pod can dial the listener itself, and would pass for a caller.
    if (this.#listening.has(endpointText(destination))) {
      this.#host.log("warn", "reset a connection that was not steered", {
        pod: this.#handover.pod,
        caller: endpointText(caller),
      });
      return socket.abort();
    }
    if (!this.#host.enter(caller.address.text, this.#identity)) {
      this.#host.limitMet(this.#handover.uid, "connections");
      return socket.abort();
    }
    this.#carry(socket, caller, destination);
  }

  async #carry(socket: AcceptedConnection, caller: Endpoint, destination: Endpoint): Promise<void> {
    const { port } = destination;
    const { text: address } = caller.address;
    const open: OpenConnection = { port, caller: address, isUnrouted: false, isMirrored: false };
    this.#open.set(socket, open);
    const isPods = this.#addresses.size === 0 || this.#addresses.has(destination.address.text);
    const isTaken = isPods && this.#places.enter(port, address);
    if (isPods && !isTaken) this.#host.limitMet(this.#handover.uid, "port");
    const flow = this.#host.nextFlow();
    const connection = { transport: socket, caller: plain(caller), destination: plain(destination) };
    const outcome = await carry(connection, {
      flow,
      pod: this.#handover.pod,
      whole: () => isTaken ? this.#ports.get(port)?.whole : undefined,
      router: () => isTaken ? this.#routers.get(port) ?? noRules : noRules,
      unrouted: () => {
        open.isUnrouted = true;
      },
      mirroring: {
        limits: this.#host.mirrorLimits,
        begun: () => {
          open.isMirrored = true;
        },
      },
      tunnels: this.#host.tunnels,
      buffers: this.#host.buffers,
      longHeads: this.#host.longHeads,
      streams: this.#host.streams,
      classify: () => this.#host.classify(caller, destination),
      dialPod: () => this.#dial(destination, address),
    });
    this.#open.delete(socket);
    if (isTaken) this.#places.leave(port, address);
    this.#host.left(address, this.#identity);
    if (outcome.details !== undefined) this.#logFailure(outcome, { flow, caller, destination });
  }

  #logFailure(
    outcome: CarriedOutcome,
    about: { flow: string; caller: Endpoint; destination: Endpoint },
  ): void {
    const { details, rule } = outcome;
    const { flow, caller, destination } = about;
    this.#host.log(levelOf(outcome), "a flow failed", {
      flow,
      outcome: outcomeWords(outcome),
      details,
      caller: endpointText(caller),
      destination: endpointText(destination),
      pod: this.#handover.pod,
      rule,
    });
  }

  async #dial(destination: Endpoint, caller: string): Promise<AbortableTransport> {
    const pool = this.#pools.get(destination.address.family);
    if (!pool) throw new Error(`pod ${this.#handover.pod} has no IPv${destination.address.family}`);
    const fd = await pool.take(caller);
    try {
      // From the address itself, the BPF program knows that it comes from inside; a pod's second address would be dialled from the first.
      bindSourceAddress(fd, destination.address);
      startConnect(fd, destination);
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
    return adoptSocket(fd, this.#kind);
  }

  #makePool(family: 4 | 6): SocketPool {
    const { uid } = this.#handover;
    return new SocketPool({
      request: (count) => this.#host.requestSockets(uid, family, count),
      close: closeDescriptor,
    });
  }
}

/** The descriptors of a handover, by what they are for. @throws {TypeError} when there are more or fewer than the message says */
function sorted({ pod, families, workers, datagrams }: Handover, fds: readonly number[]) {
  const [beats, ...sockets] = fds;
  const listeners = sockets.splice(0, families.length * workers);
  const passed = datagrams.length === 0 ? undefined : sockets.shift();
  const expected = 1 + families.length * workers +
    (datagrams.length === 0 ? 0 : 1 + datagrams.length * (1 + workers));
  if (beats === undefined || fds.length !== expected) {
    throw new TypeError(`pod ${pod} came with ${fds.length} descriptors`);
  }
  const ofFamilies = datagrams.map((family): DatagramSockets => {
    const [raw = -1, ...own] = sockets.splice(0, 1 + workers);
    return { family, raw, workers: own };
  });
  return { beats, listeners, passed, datagrams: ofFamilies };
}

function plain({ address, port }: Endpoint) {
  return { address: address.text, port };
}

function endpointText({ address, port }: Endpoint): string {
  return formatEndpoint(address.text, port);
}
