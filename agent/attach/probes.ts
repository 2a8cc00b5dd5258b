import { findOutsidePods, holdsSocket, type ProcessName } from "../../ffi/proc/pod_proc.ts";
import { Netns } from "../../ffi/proc/netns.ts";
import { addressesOf } from "../../ffi/proc/netns_addresses.ts";
import { SockDiag } from "../../ffi/netlink/sock_diag.ts";
import { parseEndpoint } from "../../net/address.ts";

/** What the programs are called that the kubelet is, or is a part of (`comm`, 15 characters). */
const kubelets = new Set(["kubelet", "kubelite", "k3s", "k3s-server", "k3s-agent"]);

/** Whether a process of the node runs the kubelet: a program of its own, or one of several in one ("kube kubelet ..."). */
export function isKubelet({ name, args }: ProcessName): boolean {
  const [program = "", first] = args;
  return kubelets.has(name) || kubelets.has(program.split("/").at(-1) ?? "") || first === "kubelet";
}

/** Milliseconds after which the kubelet is looked for again, where the one that is known doesn't have a socket. */
const AGAIN_MS = 1_000;

/**
 * Tells the kubelet's probes from NodePort traffic. Both come to a pod from addresses of the node's own network
 * namespace, but only a probe's connection has its other end there, a socket in a file of the kubelet's; forwarded
 * traffic has none at all. A probe that only connects has often closed its socket before anyone looks: what has a
 * socket that is nobody's any more counts as a probe, since nobody waits for an answer on it.
 */
export class Probes implements Disposable {
  readonly #hostProc: string;
  readonly #net: string;
  readonly #diag: SockDiag;
  /** Of the node's own network namespace. */
  readonly inode: number;
  #pids: number[] = [];
  #looked = -Infinity;

  /**
   * @param hostPid A process in the node's own network namespace: its first.
   * @throws when that can't be entered.
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

  /** Whether a connection from a node's address is the kubelet's; both ends as "ADDRESS:PORT". */
  isKubelet(caller: string, destination: string): boolean {
    const [local, remote] = [parseEndpoint(caller), parseEndpoint(destination)];
    const socket = local && remote && this.#diag.connection(local, remote);
    if (!socket) return false;
    if (socket.inode === 0) return true;
    return this.#hasOne(socket.inode) || (this.#lookAgain() && this.#hasOne(socket.inode));
  }

  [Symbol.dispose](): void {
    this.#diag[Symbol.dispose]();
  }

  #hasOne(inode: number): boolean {
    return this.#pids.some((pid) => holdsSocket(this.#hostProc, pid, inode));
  }

  #lookAgain(): boolean {
    const now = performance.now();
    if (now - this.#looked < AGAIN_MS) return false;
    this.#looked = now;
    this.#pids = findOutsidePods(this.#hostProc, isKubelet);
    return true;
  }
}
