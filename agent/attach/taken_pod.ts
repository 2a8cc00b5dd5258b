import {
  datagramsOnLoopback,
  listenOnLoopback,
  rawDatagramSocket,
  unconnectedSockets,
} from "../../ffi/proc/pod_sockets.ts";
import { type Candidate, Sandbox } from "../../ffi/proc/pod_proc.ts";
import type { Libbpf } from "../../ffi/bpf/libbpf.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { type DiagSocket, SockDiag } from "../../ffi/netlink/sock_diag.ts";
import type { Pod } from "../../kube/objects/objects.ts";
import { parseAddress } from "../../net/address.ts";
import type { ClosingHistory } from "./closing_history.ts";
import { type PlannedPort, portName, rulesOf } from "./plan.ts";
import { SidecarRedirects } from "./sidecar_redirects.ts";
import { Steering } from "./steering.ts";

/** What a takeover needs, the same for all pods of a node. */
export interface TakeoverOptions {
  readonly hostProc: string;
  readonly libbpf: Libbpf;
  /** bpf/intercept.bpf.o */
  readonly object: Uint8Array<ArrayBuffer>;
  readonly workers: number;
  /** The user that relay runs as, who owns the sockets that it accepts. */
  readonly relayUid: number;
}

/** Milliseconds between two looks at the addresses that a pod's network namespace has. */
const ADDRESSES_MS = 5_000;

/** A listening socket in a pod, until it is handed to relay. */
export interface MadeListener {
  readonly family: 4 | 6;
  readonly worker: number;
  readonly fd: number;
}

/** What UDP of one family is carried by, until it is handed to relay: the socket that answers, and those of the workers. */
interface MadeDatagrams {
  readonly family: 4 | 6;
  readonly raw: number;
  readonly workers: readonly number[];
}

/**
 * A pod that is taken over: its network namespace, held open, and the BPF program in it. Ports are steered one by one; the
 * pod answers all others.
 */
export class TakenPod implements Disposable {
  readonly pod: Pod;
  readonly #sandbox: Sandbox;
  readonly #steering: Steering;
  readonly #diag: SockDiag;
  readonly #relayUid: number;
  readonly #sidecars: SidecarRedirects;
  readonly #steered = new Map<string, PlannedPort>();
  readonly #owned: Disposable;
  #listeners: MadeListener[] = [];
  #datagrams: MadeDatagrams[] = [];
  /** Why the pod's UDP can't be steered, for people. */
  #withoutDatagrams: string | undefined;
  /** When the namespace's addresses were read last. */
  #lookedAt = -Infinity;
  /** The pod's addresses at the last check. */
  #checked = "";

  /**
   * @param others Inodes of network namespaces that are not this pod's: the host's, our own, other pods'.
   * @throws when the process isn't the pod's, the namespace lacks the pod's address, or the kernel refuses.
   */
  constructor(pod: Pod, candidate: Candidate, others: ReadonlySet<number>, how: TakeoverOptions) {
    using owned = new DisposableStack();
    this.pod = pod;
    this.#relayUid = how.relayUid;
    this.#sandbox = owned.use(new Sandbox(how.hostProc, pod.uid, candidate, others));
    this.check(pod);
    const { netns } = this.#sandbox;
    this.#steering = owned.use(new Steering(how.libbpf, how.object, netns.fd, how.workers));
    this.learnAddresses();
    owned.defer(() => this.handedOver());
    this.#diag = owned.use(netns.run(() => {
      this.#makeListeners(pod, how.workers);
      return new SockDiag();
    }));
    this.#sidecars = owned.use(
      netns.run(() => new SidecarRedirects((family) => this.#sandbox.legacyTables(family))),
    );
    for (const { family, worker, fd } of this.#listeners) this.#steering.take("tcp", family, worker, fd);
    this.#takeDatagrams(how.workers);
    this.#owned = owned.move();
  }

  /** The inode of the pod's network namespace. */
  get inode(): number {
    return this.#sandbox.netns.inode;
  }

  /** Whether the process by which the namespace was found still runs. */
  get alive(): boolean {
    return this.#sandbox.alive;
  }

  /** What relay is handed: the families of TCP's sockets and of UDP's, and the descriptors, as wire/handover.ts has them. */
  get made(): { families: (4 | 6)[]; datagrams: (4 | 6)[]; descriptors: number[] } {
    const datagrams = this.#datagrams.flatMap(({ raw, workers }) => [raw, ...workers]);
    return {
      families: [...new Set(this.#listeners.map(({ family }) => family))],
      datagrams: this.#datagrams.map(({ family }) => family),
      descriptors: [
        this.#steering.heartbeats,
        ...this.#listeners.map(({ fd }) => fd),
        ...datagrams.length === 0 ? [] : [this.#steering.passed, ...datagrams],
      ],
    };
  }

  /** The names of the ports that are steered now. */
  get steered(): ReadonlySet<string> {
    return new Set(this.#steered.keys());
  }

  /**
   * Checks that the namespace has the pod's addresses, as far as they are known.
   * @throws when it lacks one.
   */
  check(pod: Pod): void {
    if (pod.podIPs.length === 0 || pod.podIPs.join() === this.#checked) return;
    const found = new Set(this.#sandbox.addresses());
    const missing = pod.podIPs.find((ip) => !found.has(parseAddress(ip)?.text ?? ip));
    if (missing) {
      throw new Error(`the network namespace of pod ${pod.name} lacks the pod's address ${missing}`);
    }
    this.#checked = pod.podIPs.join();
  }

  /**
   * Learns which addresses the pod has now, more than Kubernetes knows among them: what comes from one of them comes from inside.
   * Looks once in a while only.
   */
  learnAddresses(): void {
    const now = performance.now();
    if (now - this.#lookedAt < ADDRESSES_MS) return;
    this.#lookedAt = now;
    this.#steering.setOwnAddresses(this.#sandbox.addresses());
  }

  /** Why a port's connections or datagrams can't be steered, for people; undefined when they can. */
  kept({ protocol, port }: Pick<PlannedPort, "protocol" | "port">): string | undefined {
    return protocol === "tcp" ? this.#sidecars.keeps(port) : this.#withoutDatagrams;
  }

  /** Closes our copies of the sockets, so that connections are steered only as long as relay has its own. */
  handedOver(): void {
    for (const { fd } of this.#listeners.splice(0)) closeDescriptor(fd);
    for (const { raw, workers } of this.#datagrams.splice(0)) {
      for (const fd of [raw, ...workers]) closeDescriptor(fd);
    }
  }

  /** Makes sockets with which relay can dial the application; the caller closes them once they are sent. */
  sockets(family: 4 | 6, count: number): number[] {
    return this.#sandbox.netns.run(() => unconnectedSockets(family, count));
  }

  /**
   * Steers exactly these ports, for their rules. Connections to a port that are open when its steering begins are closed where the
   * history says so: callers that keep theirs alive would stay with the pod. Returns the error when they can't be closed.
   * @throws {BpfError}
   */
  steer(ports: readonly PlannedPort[], history: ClosingHistory): Error | undefined {
    const wanted = new Set(ports.map(portName));
    for (const [name, port] of this.#steered) {
      if (wanted.has(name)) continue;
      this.#steering.leave(port);
      this.#steered.delete(name);
      history.ends(this.pod.uid, name);
    }
    let failed: Error | undefined;
    for (const planned of ports) {
      const { port, protocol } = planned;
      const name = portName(planned);
      if (this.#steered.has(name)) continue;
      const closes = history.begins(this.pod.uid, name, rulesOf(planned).map(({ uid }) => uid).sort().join());
      if (protocol === "udp") {
        this.#steering.steer(planned);
        this.#steered.set(name, planned);
        continue;
      }
      const before = new Set(this.#diag.connectionsTo(port).map(({ cookie }) => cookie));
      this.#steering.steer(planned);
      this.#steered.set(name, planned);
      if (!closes) continue;
      try {
        const open = this.#diag.connectionsTo(port).filter((socket) => this.#isOld(socket, before));
        this.#diag.destroy(open);
      } catch (error) {
        failed = error instanceof Error ? error : new Error(String(error));
      }
    }
    return failed;
  }

  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }

  /**
   * Whether a connection to a port is older than the port's steering. One that came between the look and the steering is
   * not in `before`, but a process other than relay has accepted it. One that is not accepted yet may be relay's, and is
   * left open.
   */
  #isOld(socket: DiagSocket, before: ReadonlySet<bigint>): boolean {
    const { local, remote } = socket;
    const inside = remote.address.text === local.address.text || isLoopback(remote.address.text) ||
      this.#steering.isOwn(remote.address.text);
    if (inside) return false;
    return before.has(socket.cookie) || (socket.inode !== 0 && socket.uid !== this.#relayUid);
  }

  /** In the pod's network namespace. Without UDP the pod is taken over all the same. */
  #makeListeners(pod: Pod, workers: number): void {
    const avoid = new Set(pod.containerPorts.map(({ port }) => port));
    for (const family of [4, 6] as const) {
      for (let worker = 0; worker < workers; worker++) {
        const made = listenOnLoopback(family, avoid);
        if (!made) break;
        avoid.add(made.port);
        this.#listeners.push({ family, worker, fd: made.fd });
      }
    }
    if (this.#listeners.length === 0) throw new Error("the pod's network namespace has no loopback address");
    try {
      for (const family of new Set(this.#listeners.map(({ family }) => family))) {
        this.#datagrams.push(makeDatagrams(family, workers, avoid));
      }
    } catch (error) {
      this.#leaveDatagrams(error);
    }
  }

  #takeDatagrams(count: number): void {
    try {
      for (const { family, workers } of this.#datagrams) {
        for (let worker = 0; worker < count; worker++) {
          const fd = workers[worker];
          if (fd !== undefined) this.#steering.take("udp", family, worker, fd);
        }
      }
    } catch (error) {
      this.#leaveDatagrams(error);
    }
  }

  /** UDP can't be steered in this pod: its rules are refused, and TCP's are not. */
  #leaveDatagrams(error: unknown): void {
    for (const { raw, workers } of this.#datagrams.splice(0)) {
      for (const fd of [raw, ...workers]) closeDescriptor(fd);
    }
    const why = error instanceof Error ? error.message : String(error);
    this.#withoutDatagrams =
      `UDP can't be steered on this node: ${why}; expected Linux 5.9 or newer, and NET_RAW in the node agent's capabilities`;
  }
}

/** @throws {SystemCallError}; {Error} when no port is free. Nothing is left open then. */
function makeDatagrams(family: 4 | 6, count: number, avoid: Set<number>): MadeDatagrams {
  const raw = rawDatagramSocket(family);
  const workers: number[] = [];
  try {
    while (workers.length < count) {
      const made = datagramsOnLoopback(family, avoid);
      if (!made) throw new Error("the pod's network namespace has no loopback address");
      avoid.add(made.port);
      workers.push(made.fd);
    }
    return { family, raw, workers };
  } catch (error) {
    for (const fd of [raw, ...workers]) closeDescriptor(fd);
    throw error;
  }
}

/** Whether a connection comes from inside the pod. 127.0.0.6 and ::6 are an Istio sidecar, which passes on what came from outside. */
function isLoopback(address: string): boolean {
  return address === "::1" || (address.startsWith("127.") && address !== "127.0.0.6");
}
