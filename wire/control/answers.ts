/** What the daemon answers: wire/control/calls.ts says to which call. */
import type { Match } from "../match.ts";
import type { AgentComponent, Component } from "../installer.ts";
import type { Flow } from "../flow.ts";
import type { BlockingRule, HelperGrant, NetworkDamage, RulePrecedence } from "../helper.ts";
import type { UnreachableAddress } from "../unreachable.ts";
import type { VirtualAddress } from "../virtual.ts";
import type { Mode } from "./requests.ts";

/** The exec plugin of the user of a choice's context, if a credential of it is needed. Its context and kubeconfig are those that are meant. */
export interface PluginNeed {
  readonly isNeeded: boolean;
  readonly context?: string;
  /** As in a choice. */
  readonly kubeconfig?: string;
}

export interface Plan {
  readonly cluster: ClusterName;
  readonly agent: readonly AgentComponent[];
  /** What would have to be installed or updated in the cluster before this can work; empty: nothing. */
  readonly install: readonly Component[];
  /** What the root helper has to be started with; undefined when none is needed, or one is connected. */
  readonly helper?: HelperGrant;
  /** Whether the daemon is connected to this cluster already, and how. */
  readonly connected?: Mode;
  readonly warnings: readonly Warning[];
}

/** A message that is not a failure, and what to do about it. */
export interface Warning {
  readonly message: string;
  readonly hint?: string;
}

/** A cluster as people know it. */
export interface ClusterName {
  readonly context: string;
  readonly server: string;
  readonly namespace: string;
  readonly user: string;
}

export interface UpResult {
  readonly cluster: ClusterName;
  readonly mode: Mode;
  /** Accounts that are inside besides the user; absent without such accounts. */
  readonly also?: readonly string[];
  /** "127.0.0.1:1080" */
  readonly proxy?: string;
  readonly services: number;
  /** How many of them have a name that leads to an address that this laptop reaches, and a ready endpoint. */
  readonly answering: number;
  /** How many Services could be dialled to show that it works. */
  readonly candidates: number;
  /** What was dialled and took the connection. */
  readonly proof?: { readonly service: string; readonly port: number; readonly ms: number };
  /** Names worth trying, the connection's namespace first. */
  readonly try: readonly WorthTrying[];
  /** Those that were told with the progress. */
  readonly warnings: readonly Warning[];
}

export interface WorthTrying {
  readonly name: string;
  readonly port: number;
  /** Whether it speaks HTTP, without or with TLS. */
  readonly http: boolean;
  /** The scheme of its URL, where it speaks HTTP. */
  readonly scheme?: "http" | "https";
}

export interface DownResult {
  readonly wasUp: boolean;
  /** What is still there, in words; empty: nothing. */
  readonly left: readonly string[];
}

export interface Status {
  readonly release: string;
  readonly pid: number;
  /** ISO time. */
  readonly since: string;
  readonly clusters: readonly ClusterStatus[];
  readonly helper: HelperStatus;
  readonly proxy?: string;
  /** Queries for names since they are captured; absent while they are not. */
  readonly names?: NameCounts;
  readonly intercepts: readonly InterceptEntry[];
  /** The last flows that failed, the newest last; without those that their own clients broke off. */
  readonly failures: readonly Flow[];
  /** What keeps captured clusters from working for programs, as the checks of `pmz doctor` see it. */
  readonly warnings: readonly Warning[];
}

export type HelperStatus = ConnectedHelper | { readonly state: "none" };

/** The root helper while it captures. */
export interface ConnectedHelper {
  readonly state: "connected";
  readonly address: string;
  readonly routes: number;
  /** Accounts that are inside besides the user; absent without such accounts. */
  readonly also?: readonly string[];
  /** Another program's ip rule that comes before pmz's. */
  readonly precedence?: RulePrecedence;
  /** What other programs have changed of pmz's own network since `pmz up`. */
  readonly damage?: readonly NetworkDamage[];
  /** Why UDP isn't carried; absent where it is. */
  readonly udpProblem?: string;
  /** Captured addresses that this machine's own firewall keeps connections from; one of each range. */
  readonly blocked?: readonly BlockedConnection[];
}

/** A captured address that connections don't get to, and by what, where that is known. */
export interface BlockedConnection {
  /** "10.96.0.7:80" */
  readonly to: string;
  /** It is pmz's DNS stub, which programs' questions for names go to. */
  readonly isOfNames?: true;
  /** The device lo is down, by which they go. */
  readonly isLoDown?: true;
  /** They are accepted, but not by pmz. */
  readonly isLedElsewhere?: true;
  readonly by?: BlockingRule;
}

/** DNS queries of the user's programs. */
export interface NameCounts {
  /** Answered by pmz itself. */
  readonly answered: number;
  /** Passed on to the nameserver that was asked. */
  readonly forwarded: number;
  /** Passed on, and not answered by that nameserver. */
  readonly unanswered: number;
  /** Of another account of this machine. */
  readonly refused: number;
  /** Beyond a limit. */
  readonly dropped: number;
}

export interface ClusterStatus {
  readonly cluster: ClusterName;
  readonly mode: Mode;
  readonly tunnel: TunnelState;
  /** Last round trip through the tunnel in milliseconds. */
  readonly roundTripMs?: number;
  readonly services: number;
  /** As in an UpResult. */
  readonly answering: number;
  readonly openStreams: number;
  /** Kinds that may not be watched with these credentials, and what that means. */
  readonly limits: readonly string[];
  /** Ranges that were accepted for it, in CIDR notation. */
  readonly acceptedRanges: readonly string[];
  /** Addresses of Services that programs reach by virtual ones; absent where there are none. */
  readonly virtual?: {
    readonly count: number;
    /** The first of them. */
    readonly first: readonly VirtualAddress[];
  };
  /** Addresses of Services that this laptop doesn't reach, so that their names don't answer them. */
  readonly unreachable: {
    readonly count: number;
    /** The first of them. */
    readonly first: readonly UnreachableAddress[];
  };
}
export type TunnelState =
  | { readonly state: "connected"; readonly since: string; readonly pod: string }
  | {
    readonly state: "connecting";
    readonly why: string;
    /** What to do about it; only where it was looked for. */
    readonly remedy?: string;
  };

export interface ServiceEntry {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  /** The shortest name that always works: "echo.default.svc". */
  readonly hostname: string;
  /** Addresses by which the laptop reaches it; none for an ExternalName. */
  readonly addresses: readonly string[];
  /** Which of these are virtual, and what they stand for; absent when none is. */
  readonly virtual?: readonly VirtualAddress[];
  /** Its addresses that the laptop doesn't reach; absent when there are none. */
  readonly unreachable?: readonly UnreachableAddress[];
  /** The range that was accepted for its cluster and has some of its addresses; absent where none has. */
  readonly acceptedRange?: string;
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol: string }[];
  readonly readyEndpoints: number;
  readonly type: "ClusterIP" | "Headless" | "NodePort" | "LoadBalancer" | "ExternalName";
  /** The target of an ExternalName. */
  readonly externalName?: string;
  /** Why its name leads nowhere on this laptop, or not everywhere that it does in a pod. */
  readonly problems?: readonly string[];
  /** The id of the intercept that this laptop has on it. */
  readonly intercepted?: string;
  /** The users who intercept it from other machines, as far as their rules may be listed; absent when there are none. */
  readonly interceptedBy?: readonly string[];
  /** What they take there; absent when there are none. */
  readonly foreignRules?: readonly ForeignRule[];
}

/** A rule of another machine for a port of a Service. */
export interface ForeignRule {
  readonly user: string;
  readonly port: number;
  /** Absent: TCP. */
  readonly protocol?: "UDP";
  /** Absent: all connections that no personal rule takes. */
  readonly match?: Match;
}

export interface NameEntry {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly custom: boolean;
  /** "echo.default" */
  readonly target: string;
  readonly cluster: string;
  /** The target before, where `pmz dns add` has just changed it. */
  readonly before?: string;
}

export interface InterceptEntry {
  /**
   * "echo.default:80", "dns.default:53/udp"; of a personal one "echo.default:80/kfjapmbc", of the laptop's own connections
   * "echo.default:80/mine".
   */
  readonly id: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly service: string;
  readonly port: number;
  /** Absent: TCP. */
  readonly protocol?: "UDP";
  readonly portName?: string;
  readonly local: string;
  readonly since: string;
  /** It takes this laptop's own connections alone: no pods, and nothing in the cluster knows of it. */
  readonly mine?: true;
  readonly pods: { readonly ready: number; readonly all: number };
  readonly connections: { readonly open: number; readonly total: number };
  /** Other Services whose traffic is taken too, since steering is by pod port. */
  readonly alsoTaken: readonly string[];
  /** Since when nothing listens at `local`, RFC 3339; absent while something does, and where it can't be told. */
  readonly silentSince?: string;
  /** What it takes; absent where that is all. */
  readonly match?: Match;
  /** The pods answer, and this laptop gets a copy of what it takes. */
  readonly mirror?: true;
  /** The domain that is a name for the Service on this laptop as long as it lasts. */
  readonly domain?: string;
  /**
   * Requests of a personal one: compared with it, taken, and matching but left to the pods; of one that mirrors: compared, copied,
   * and matching but not copied, since the laptop was slow or gone. A connection that is decided as a
   * whole counts as one. Node agents tell every two seconds.
   */
  readonly requests?: { readonly seen: number; readonly taken: number; readonly declined: number };
  /** When it ends by itself, RFC 3339. */
  readonly until?: string;
  /** The other rules for the same port of the same pods, in the order in which they are asked. */
  readonly others: readonly OtherRule[];
  /** Why it isn't in force everywhere, or which callers don't arrive; empty when all do. */
  readonly problems: readonly string[];
}

/** A rule for the same port of the same pods as an intercept. */
export interface OtherRule {
  readonly user: string;
  /** The Service and port that it is for, where they are others: "web:80". */
  readonly by?: string;
  /** What it takes; absent where that is all that no personal rule takes. */
  readonly match?: Match;
  /** The pods answer, and its user gets a copy. */
  readonly mirror?: true;
  readonly since: string;
  /** Whether it is asked before the intercept's own rule. */
  readonly first: boolean;
  /** Whether some requests match both. */
  readonly overlaps: boolean;
}

/**
 * What a container of a Service's pods has of configuration, as a kubelet gives it. It has secrets: it is in no log, and in no
 * other answer.
 */
export interface ServiceEnvironment {
  readonly cluster: string;
  readonly namespace: string;
  readonly service: string;
  /** The pod that it is of; absent where none is there, so that it is of a workload's template. */
  readonly pod?: string;
  readonly container: string;
  /** Without those of the container's image. */
  readonly variables: Readonly<Record<string, string>>;
  readonly files: readonly ConfigurationFile[];
  /** Folders that volumes are mounted at, be they empty. */
  readonly folders: readonly string[];
  /** Mounts that aren't configuration: "/data (persistentVolumeClaim)". */
  readonly otherMounts: readonly string[];
  /** What is missing, and why, in words. */
  readonly problems: readonly string[];
  /** Whether the daemon is connected to the cluster, and how. */
  readonly connected?: Mode;
}

export interface ConfigurationFile {
  /** Absolute, in the container; no part of it is "..". */
  readonly path: string;
  readonly mode: number;
  /** Base64. */
  readonly content: string;
}

/** What a command holds: intercepts that last as long as it reads this. */
export type Hold =
  | { readonly hold: string }
  /** An intercept that was held has ended before its command. */
  | { readonly ended: string; readonly why: HeldEnd };
/** Its time is up; or somebody ended it. */
export type HeldEnd = "time" | "left";

/** The end of the root helper's log. */
export interface HelperLog {
  /** An object a line; absent while no helper is connected, or it is an older one. */
  readonly text?: string;
}

/** What a follower of flows is told: a flow that ended, or how many were left out, since the follower is too slow. */
export type FlowEvent = { readonly flow: Flow } | { readonly missed: number };
