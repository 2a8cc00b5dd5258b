/**
 * What attach (has the rights, sees no traffic) and relay (has none, carries it) say to each other, over a
 * SOCK_SEQPACKET unix socket in a folder that only they share: JSON messages, descriptors beside them.
 * When either end goes, everything that was handed over is void: relay closes it, attach steers nothing.
 */
import type { Hello } from "./hello.ts";

export const HANDOVER_VERSION = 1;
export const HANDOVER_SOCKET = "/run/pmz/handover.sock";

/** A rule as relay has to know it: enough to check a proof and to name a stream. */
export interface RelayedRule {
  readonly uid: string;
  /** The Service's port: what the stream's authority names. */
  readonly port: number;
  readonly session: string;
  /** SubjectPublicKeyInfo, base64. */
  readonly publicKey: string;
}

/** A port of a pod that is steered to relay, and the rule that it's for. */
export interface SteeredPort {
  /** The pod's own port (targetPort). */
  readonly port: number;
  readonly rule: string;
}

export type AttachMessage =
  /** First. `cluster`: SHA-256 of the cluster's CA (DER), hex; `pod`, `node`: of the agent itself. */
  | {
    readonly tell: "hello";
    readonly hello: Hello;
    readonly cluster: string;
    readonly pod: string;
    readonly node: string;
  }
  /** All rules that concern this node, each time anything changes. */
  | { readonly tell: "rules"; readonly rules: readonly RelayedRule[] }
  /**
   * A pod is taken over. Beside it: the beat map (BPF_F_MMAPABLE array of u64, one a worker: CLOCK_MONOTONIC in ns),
   * then the listening sockets: family by family as `families` has them, each worker's in order.
   */
  | {
    readonly tell: "pod";
    readonly uid: string;
    readonly pod: string;
    readonly addresses: readonly string[];
    readonly workers: number;
    readonly families: readonly (4 | 6)[];
    readonly ports: readonly SteeredPort[];
  }
  /** The ports of a pod that is taken over already. */
  | { readonly tell: "ports"; readonly uid: string; readonly ports: readonly SteeredPort[] }
  /** A pod is left alone again, or gone: close every descriptor into its netns. */
  | { readonly tell: "gone"; readonly uid: string }
  /** Beside it: unconnected TCP sockets made in the pod's netns, to dial the application with. */
  | { readonly tell: "sockets"; readonly uid: string; readonly family: 4 | 6 }
  /** The addresses of the node's own netns, each time they change: what comes from there may be a kubelet's probe. */
  | { readonly tell: "host"; readonly addresses: readonly string[] }
  /** Answers `whose` of the same id: whether the caller is the kubelet. */
  | { readonly tell: "caller"; readonly id: number; readonly kubelet: boolean };

export type RelayMessage =
  | { readonly tell: "hello"; readonly hello: Hello }
  /** Which rules have a proven tunnel now; attach steers only those, each time anything changes. */
  | { readonly tell: "live"; readonly rules: readonly string[] }
  /** A pod couldn't be taken with what came of its descriptors, if anything: attach takes it over anew later. */
  | { readonly tell: "refused"; readonly uid: string }
  /** Asks for sockets to dial a pod's application with, at most 64. */
  | { readonly tell: "need"; readonly uid: string; readonly family: 4 | 6; readonly count: number }
  /** Asks whether a connection from one of the node's addresses is the kubelet's; both are "ADDRESS:PORT". */
  | { readonly tell: "whose"; readonly id: number; readonly caller: string; readonly destination: string };
