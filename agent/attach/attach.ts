import { settlesWithin } from "../../async/timeout.ts";
import { inodeOf } from "../../ffi/proc/netns.ts";
import { Libbpf } from "../../ffi/bpf/libbpf.ts";
import { Node } from "./node.ts";
import { Probes } from "./probes.ts";
import { type Introduction, RelayLink } from "./relay_link.ts";
import { TakenPods } from "./taken_pods.ts";
import type { Log } from "../../wire/log.ts";
import type { ClusterView } from "./view.ts";

export interface AttachOptions {
  /** What is known of the cluster; it stays the caller's. */
  readonly view: ClusterView;
  readonly assets: {
    /** libbpf.so.1 for this machine. */
    readonly libbpf: Uint8Array<ArrayBuffer>;
    /** bpf/intercept.bpf.o */
    readonly intercept: Uint8Array<ArrayBuffer>;
  };
  /** This node's name, the UID of the agent's pod, and the SHA-256 of the cluster's CA. */
  readonly introduction: Introduction;
  /** Where the host's /proc is mounted. */
  readonly hostProc: string;
  /** A process in the node's own network namespace; 1 without it. */
  readonly hostPid?: number;
  /** Of the socket that relay connects to, in a folder that only the two share. */
  readonly handoverPath: string;
  /** The user that relay runs as. */
  readonly relayUid: number;
  /** Workers of relay that accept; 1 without it. */
  readonly workers?: number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Milliseconds that relay has to carry open connections to their end once nothing new is steered: within the pod's 10 s. */
const DRAIN_MS = 8_000;

/**
 * The part of the node agent that has the rights: watches the cluster, takes over the pods of its node that a rule
 * with a live session is for, and hands their connections' sockets to relay. It never reads a byte of them.
 *
 * Needs SYS_ADMIN (setns, BPF), SYS_PTRACE (other processes' namespaces and open files) and NET_ADMIN (SOCK_DESTROY).
 * Until the signal; should the process be killed, the kernel takes the programs out and the pods answer themselves.
 *
 * @throws when the node's own namespace can't be looked into, libbpf can't be loaded, or the handover's socket can't be made.
 */
export async function runAttach(options: AttachOptions): Promise<void> {
  const { view, assets, introduction, hostProc, handoverPath, relayUid, workers = 1, log, signal } = options;
  using owned = new DisposableStack();
  const probes = owned.use(nodeItself(options));
  const others = new Set([inodeOf("/proc/self/ns/net"), probes.inode]);
  const how = {
    hostProc,
    libbpf: Libbpf.load(assets.libbpf),
    object: assets.intercept,
    workers,
    relayUid,
  };
  const pods = owned.use(new TakenPods(how, others, log));
  const node = owned.use(new Node({ node: introduction.node, view, pods, probes, log }));
  const link = owned.use(
    new RelayLink({
      path: handoverPath,
      relayUid,
      introduction,
      log,
      onRelay: (relay) => {
        log("info", "relay connected");
        node.relayCame(relay);
      },
      onMessage: (message, relay) => node.tell(message, relay),
      onGone: () => {
        log("warn", "relay disconnected: the pods answer their own connections");
        node.relayWent();
      },
    }),
  );
  const serving = link.serve();
  await node.run(signal);
  node.leaveAll();
  await Promise.all([node.withdraw(), settlesWithin(link.relayGone, DRAIN_MS)]);
  link[Symbol.dispose]();
  await serving;
}

/** Without it nothing may be taken over: the node's own namespace could be mistaken for a pod's that is just being made. */
function nodeItself({ hostProc, hostPid }: AttachOptions): Probes {
  try {
    return new Probes(hostProc, hostPid);
  } catch (cause) {
    throw new Error(
      `the node's own network namespace can't be looked into: attach needs the node's /proc at ${hostProc}, ` +
        "SYS_PTRACE and SYS_ADMIN, and no AppArmor profile that forbids reading other processes",
      { cause },
    );
  }
}
