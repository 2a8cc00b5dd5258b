import { findOutsidePods, holdsSocket, type ProcessName } from "../../ffi/proc/pod_proc.ts";
import { Netns } from "../../ffi/proc/netns.ts";
import { addressesOf } from "../../ffi/proc/netns_addresses.ts";
import { SockDiag } from "../../ffi/netlink/sock_diag.ts";
import { parseEndpoint } from "../../net/address.ts";

/** Names of programs that are the kubelet, or contain it (`comm`, 15 characters). */
const kubelets = new Set(["kubelet", "kubelite", "k3s", "k3s-server", "k3s-agent"]);

/** Whether a process runs the kubelet: as a program of its own, or as a part of another ("kube kubelet ..."). */
export function isKubelet({ name, args }: ProcessName): boolean {
  const [program = "", first] = args;
  return kubelets.has(name) || kubelets.has(program.split("/").at(-1) ?? "") || first === "kubelet";
}

/** Milliseconds after which the kubelet is searched for again, when the known one doesn't have a socket. */
const SEARCH_AGAIN_MS = 1_000;

/**
 * Tells the kubelet's probes from NodePort traffic. Both come to a pod from addresses of the node's own network namespace,
 * but only a probe's connection has its other end there: a socket that is open in the kubelet. Forwarded traffic has no
 * socket there. A probe that only connects has often closed its socket before it is looked up: a socket without an owner
 * counts as a probe's, since no program waits for an answer on it.
 */
export class ProbeDetector implements Disposable {
  readonly #hostProc: string;
  readonly #net: string;
  readonly #diag: SockDiag;
  /** The inode of the node's own network namespace. */
  readonly inode: number;
  #kubelets: number[] = [];
  #searched = -Infinity;

  /**
   * @param hostPid A process in the node's own network namespace; its first by default.
   * @throws when that namespace can't be entered.
   */
  constructor(hostProc: string, hostPid = 1) {
    this.#hostProc = hostProc;
    this.#net = `${hostProc}/${hostPid}/net`;
    using host = new Netns(`${hostProc}/${hostPid}/ns/net`);
    this.inode = host.inode;
    this.#diag = host.run(() => new SockDiag());
  }

  /** The addresses of the node's own network namespace. */
  addresses(): string[] {
    return addressesOf(this.#net);
  }

  /** Whether a connection from one of the node's addresses is the kubelet's; both ends as "ADDRESS:PORT". */
  isKubelet(caller: string, destination: string): boolean {
    const [local, remote] = [parseEndpoint(caller), parseEndpoint(destination)];
    const socket = local && remote && this.#diag.connection(local, remote);
    if (!socket) return false;
    if (socket.inode === 0) return true;
    return this.#isOpenInKubelet(socket.inode) || (this.#search() && this.#isOpenInKubelet(socket.inode));
  }

  [Symbol.dispose](): void {
    this.#diag[Symbol.dispose]();
  }

  #isOpenInKubelet(inode: number): boolean {
    return this.#kubelets.some((pid) => holdsSocket(this.#hostProc, pid, inode));
  }

  /** Searches for the kubelet, unless that was done a moment ago. */
  #search(): boolean {
    const now = performance.now();
    if (now - this.#searched < SEARCH_AGAIN_MS) return false;
    this.#searched = now;
    this.#kubelets = findOutsidePods(this.#hostProc, isKubelet);
    return true;
  }
}
