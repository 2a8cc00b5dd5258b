import { listenOnLoopback, unconnectedSockets } from "../../ffi/proc/pod_sockets.ts";
import { type Candidate, Sandbox } from "../../ffi/proc/pod_proc.ts";
import type { Libbpf } from "../../ffi/bpf/libbpf.ts";
import { closeDescriptor } from "../../ffi/sockets/socket.ts";
import { type DiagSocket, SockDiag } from "../../ffi/netlink/sock_diag.ts";
import type { Pod } from "../../kube/objects/objects.ts";
import { parseAddress } from "../../net/address.ts";
import type { ClosingHistory } from "./closing_history.ts";
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

/** A listening socket in a pod, until it is handed to relay. */
export interface MadeListener {
  readonly family: 4 | 6;
  readonly worker: number;
  readonly fd: number;
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
  readonly #steered = new Set<number>();
  readonly #owned: Disposable;
  #listeners: MadeListener[] = [];
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
    owned.defer(() => this.handedOver());
    this.#diag = owned.use(netns.run(() => {
      this.#makeListeners(pod, how.workers);
      return new SockDiag();
    }));
    this.#sidecars = owned.use(
      netns.run(() => new SidecarRedirects((family) => this.#sandbox.legacyTables(family))),
    );
    for (const { family, worker, fd } of this.#listeners) this.#steering.listen(family, worker, fd);
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

  get families(): (4 | 6)[] {
    return [...new Set(this.#listeners.map(({ family }) => family))];
  }

  /** Descriptors for relay: the heartbeat map, then the listener of each family and worker. */
  get descriptors(): number[] {
    return [this.#steering.heartbeats, ...this.#listeners.map(({ fd }) => fd)];
  }

  /** The ports that are steered now. */
  get steered(): ReadonlySet<number> {
    return this.#steered;
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

  /** Why connections to a port don't come to where they could be steered, for people; undefined when they do. */
  kept(port: number): string | undefined {
    return this.#sidecars.keeps(port);
  }

  /** Closes our copies of the listeners, so that connections are steered only as long as relay has its own. */
  handedOver(): void {
    for (const { fd } of this.#listeners.splice(0)) closeDescriptor(fd);
  }

  /** Makes sockets with which relay can dial the application; the caller closes them once they are sent. */
  sockets(family: 4 | 6, count: number): number[] {
    return this.#sandbox.netns.run(() => unconnectedSockets(family, count));
  }

  /**
   * Steers exactly these ports, each for a rule. Connections to a port that are open when its steering begins are closed where the
   * history says so: callers that keep theirs alive would stay with the pod. Returns the error when they can't be closed.
   * @throws {BpfError}
   */
  steer(ports: ReadonlyMap<number, string>, history: ClosingHistory): Error | undefined {
    for (const port of this.#steered) {
      if (ports.has(port)) continue;
      this.#steering.leave(port);
      this.#steered.delete(port);
      history.ends(this.pod.uid, port);
    }
    let failed: Error | undefined;
    for (const [port, rule] of ports) {
      if (this.#steered.has(port)) continue;
      const closes = history.begins(this.pod.uid, port, rule);
      const before = new Set(this.#diag.connectionsTo(port).map(({ cookie }) => cookie));
      this.#steering.steer(port);
      this.#steered.add(port);
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
    const inside = remote.address.text === local.address.text || isLoopback(remote.address.text);
    if (inside) return false;
    return before.has(socket.cookie) || (socket.inode !== 0 && socket.uid !== this.#relayUid);
  }

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
  }
}

/** Whether a connection comes from inside the pod. 127.0.0.6 and ::6 are an Istio sidecar, which passes on what came from outside. */
function isLoopback(address: string): boolean {
  return address === "::1" || (address.startsWith("127.") && address !== "127.0.0.6");
}
