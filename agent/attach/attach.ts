import { settlesWithin } from "../../async/timeout.ts";
import { inodeOf } from "../../ffi/proc/netns.ts";
import { Libbpf } from "../../ffi/bpf/libbpf.ts";
import { NodeReconciler } from "./node_reconciler.ts";
import { ProbeDetector } from "./probe_detector.ts";
import { type Introduction, RelayLink } from "./relay_link.ts";
import { TakenPods } from "./taken_pods.ts";
import type { Log } from "../../wire/log.ts";
import type { ClusterView } from "./view.ts";

export interface AttachOptions {
  /** The view of the cluster; the caller owns it. */
  readonly view: ClusterView;
  readonly assets: {
    /** libbpf.so.1 for this machine's architecture. */
    readonly libbpf: Uint8Array<ArrayBuffer>;
    /** bpf/intercept.bpf.o */
    readonly intercept: Uint8Array<ArrayBuffer>;
  };
  /** The name of this node, the UID of the agent's pod, and what names the cluster. */
  readonly introduction: Introduction;
  /** The path at which the node's /proc is mounted. */
  readonly hostProc: string;
  /** A process in the node's own network namespace; its first by default. */
  readonly hostPid?: number;
  /** The path of the socket that relay connects to, in a folder that only the two share. */
  readonly handoverPath: string;
  /** The user that relay runs as. */
  readonly relayUid: number;
  /** Workers of relay that accept connections; 1 by default. */
  readonly workers?: number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Milliseconds that relay has for open connections once no new ones are steered: less than the pod's 10 s. */
const DRAIN_MS = 8_000;

/**
 * Runs attach, the part of the node agent that has the rights, until the signal. It watches the cluster, takes over the
 * pods of its node that have a rule with a live session, and hands listening sockets in them to relay. It never reads a
 * byte of their connections. When the process is killed the kernel removes its BPF programs, and the pods answer.
 *
 * Needs SYS_ADMIN (setns, BPF), SYS_PTRACE (other processes' namespaces and open files), NET_ADMIN (SOCK_DESTROY) and, for UDP
 * alone, NET_RAW (raw sockets). Before Linux 5.11 it needs SYS_RESOURCE too, for the maps of more than one pod.
 *
 * @throws when the node's own namespace can't be read, libbpf can't be loaded, or the handover's socket can't be made.
 */
export async function runAttach(options: AttachOptions): Promise<void> {
  const { view, assets, introduction, hostProc, handoverPath, relayUid, workers = 1, log, signal } = options;
  using owned = new DisposableStack();
  const probes = owned.use(openProbeDetector(options));
  const others = new Set([inodeOf("/proc/self/ns/net"), probes.inode]);
  const how = {
    hostProc,
    libbpf: Libbpf.load(assets.libbpf),
    object: assets.intercept,
    workers,
    relayUid,
  };
  const pods = owned.use(new TakenPods(how, others, log));
  const node = owned.use(new NodeReconciler({ node: introduction.node, view, pods, probes, log }));
  const link = owned.use(
    new RelayLink({
      path: handoverPath,
      relayUid,
      introduction,
      log,
      onConnected: (relay) => {
        log("info", "relay connected");
        node.relayConnected(relay);
      },
      onMessage: (message, relay) => node.receive(message, relay),
      onDisconnected: () => {
        log("warn", "relay disconnected: the pods answer their own connections");
        node.relayDisconnected();
      },
    }),
  );
  const serving = link.serve();
  await node.run(signal);
  node.stopSteering();
  await Promise.all([node.withdraw(), settlesWithin(link.disconnected, DRAIN_MS)]);
  link[Symbol.dispose]();
  await serving;
}

/** Nothing may be taken over without it: the node's own namespace could be mistaken for one of a pod that is starting. */
function openProbeDetector({ hostProc, hostPid }: AttachOptions): ProbeDetector {
  try {
    return new ProbeDetector(hostProc, hostPid);
  } catch (cause) {
    throw new Error(
      `can't read the node's own network namespace: attach needs the node's /proc at ${hostProc}, SYS_PTRACE and ` +
        "SYS_ADMIN, and no AppArmor profile that forbids reading other processes",
      { cause },
    );
  }
}
