/**
 * The protocol between attach (has the rights, sees no traffic) and relay (has no rights, carries the traffic): JSON
 * messages with descriptors over a SOCK_SEQPACKET unix socket, in a folder that only these two share. When either end
 * closes it, everything that was handed over is void: relay closes its sockets, attach steers no connections.
 */
import type { Hello } from "./hello.ts";
import type { Flow } from "./flow.ts";
import type { Match } from "./match.ts";

export const HANDOVER_SOCKET = "/run/pmz/handover.sock";

/** The addresses that fit in one message. With kube-proxy in IPVS mode a node has the address of every Service. */
export const MOST_HOST_ADDRESSES = 5_000;

/** Pods that relay tells as limited. */
export const MOST_LIMITED = 500;

/** What relay knows of a rule: enough to check a proof and to name a stream. */
export interface RelayedRule {
  readonly uid: string;
  /** The Service's port, as the stream's authority names it. */
  readonly port: number;
  readonly session: string;
  /** SubjectPublicKeyInfo, base64. */
  readonly publicKey: string;
}

/** What a personal rule takes; until relay is told, that is nothing. */
export interface MatchedRule {
  readonly rule: string;
  /** Absent where it mirrors all connections. */
  readonly match?: Match;
  /** The pods answer, and the laptop gets a copy. */
  readonly mirror?: true;
  /** The addresses of the callers that the match names, where it names any. */
  readonly callers?: readonly string[];
}

/**
 * A limit of relay's: `connections`, of all that it carries, so that some were reset; `port`, of those of one port that go to
 * laptops, so that some went to the pod.
 */
export type RelayLimit = "connections" | "port";

/** A port of a pod that is steered to relay, and its rules. */
export interface SteeredPort {
  readonly protocol: Flow["protocol"];
  /** The pod's own port (targetPort). */
  readonly port: number;
  /** UIDs in the order in which the rules are asked. */
  readonly personal: readonly string[];
  /** The UID of the rule for the whole Service. */
  readonly whole?: string;
}

export type AttachMessage =
  /** First. `clusterUid`: of namespace kube-system; `caHash`: SHA-256 of the cluster's CA (DER), hex; `pod`, `node`: the agent's own. */
  | {
    readonly tell: "hello";
    readonly hello: Hello;
    readonly clusterUid: string;
    readonly caHash: string;
    readonly pod: string;
    readonly node: string;
  }
  /** All rules that concern this node; sent again when one of them changes. */
  | { readonly tell: "rules"; readonly rules: readonly RelayedRule[] }
  /** What one of the personal rules takes, before the rules that contain it; sent again when it changes. */
  | { readonly tell: "match" } & MatchedRule
  /**
   * Hands a pod over. Descriptors: the heartbeat map (BPF_F_MMAPABLE array of u64, one a worker: CLOCK_MONOTONIC in ns),
   * then the listening sockets, family by family in the order of `families`, each worker's in order. Where UDP can be steered there
   * follow the map of flows that are left to the pod (BPF_F_MMAPABLE, relay/passed_flows.ts), and of each of the families in
   * `datagrams` the raw socket that answers, then each worker's UDP socket.
   */
  | {
    readonly tell: "pod";
    readonly uid: string;
    readonly pod: string;
    readonly addresses: readonly string[];
    readonly workers: number;
    readonly families: readonly (4 | 6)[];
    readonly datagrams: readonly (4 | 6)[];
    readonly ports: readonly SteeredPort[];
  }
  /** Changes the ports of a pod that was handed over. */
  | { readonly tell: "ports"; readonly uid: string; readonly ports: readonly SteeredPort[] }
  /** Takes a pod back: relay closes every descriptor of its network namespace. */
  | { readonly tell: "released"; readonly uid: string }
  /** Descriptors: unconnected TCP sockets made in the pod's network namespace, to dial the application with. */
  | { readonly tell: "sockets"; readonly uid: string; readonly family: 4 | 6 }
  /**
   * The addresses of the node's own network namespace, from which a kubelet's probes come; sent again on a change. `any`:
   * they are more than {@linkcode MOST_HOST_ADDRESSES}, so that relay asks about each connection.
   */
  | { readonly tell: "host"; readonly addresses: readonly string[] | "any" }
  /** Answers `classify`: whether the caller is the kubelet. */
  | { readonly tell: "classified"; readonly id: number; readonly kubelet: boolean };

export type RelayMessage =
  | { readonly tell: "hello"; readonly hello: Hello }
  /** The rules that have a proven tunnel: attach steers only their ports. Sent again on a change. */
  | { readonly tell: "proven"; readonly rules: readonly string[] }
  /** The pods whose connections have met a limit lately, at most {@linkcode MOST_LIMITED}. Sent again on a change. */
  | {
    readonly tell: "limited";
    readonly pods: readonly { readonly uid: string; readonly limit: RelayLimit }[];
  }
  /** relay could not take a pod over; attach tries again later. */
  | { readonly tell: "refused"; readonly uid: string }
  /** Asks for sockets to dial a pod's application with, at most 64. */
  | {
    readonly tell: "request-sockets";
    readonly uid: string;
    readonly family: 4 | 6;
    readonly count: number;
  }
  /** Asks whether a connection from one of the node's addresses is the kubelet's; both ends as "ADDRESS:PORT". */
  | {
    readonly tell: "classify";
    readonly id: number;
    readonly caller: string;
    readonly destination: string;
  };
