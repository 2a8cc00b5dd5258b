/**
 * What the plane (plane.ts, in the daemon's main thread) and its workers ask of each other. A worker owns listeners and
 * tunnels (a socket can't move between workers) and carries every byte; the plane tells it what it must know of clusters.
 */
import type { Accounts } from "../ffi/proc/socket_owner.ts";
import type { ApiServerAccess } from "../kube/client/access.ts";
import type { Flow, Outcome } from "../wire/flow.ts";
import type { Challenge, Proof } from "../wire/key_proof.ts";
import type { ProxyError } from "../wire/streams.ts";
import type { UnreachableFor } from "../wire/helper.ts";
import type { Caller } from "./udp/captured_udp.ts";
import type { FirstDatagram, SocketToBind } from "./udp/destination_sockets.ts";
import type { CustomDomain, ZoneChange, ZoneData } from "../names/zone/zone_data.ts";

/** Where a connection of a program on the laptop goes, or its datagrams. */
export interface Destination {
  readonly protocol: Flow["protocol"];
  readonly cluster: string;
  /** The Service's or pod's address, as the cluster knows it. */
  readonly address: string;
  readonly port: number;
}

/** Equal connections that the laptop's kernel refused soon after each other, so that no worker saw them. */
export interface RefusedAttempts {
  readonly protocol: Flow["protocol"];
  /** Empty when the address is no cluster's any more. */
  readonly cluster: string;
  /** The address that was dialled, and its name if it has one, both with the port. */
  readonly to: string;
  /** As in a flow. */
  readonly virtual?: string;
  readonly name?: string;
  readonly from: string;
  readonly program: NonNullable<Flow["program"]>;
  readonly error: ProxyError;
  readonly details: string;
  readonly times: number;
  /** When the first and the last one were, in milliseconds since 1970. */
  readonly first: number;
  readonly last: number;
}

/** Flows that failed; equal ones are one, which counts them. */
export interface FailedFlows {
  readonly failed: readonly Flow[];
  /** Those that the laptop's kernel refused: they have a share of their own. */
  readonly refused: readonly Flow[];
}

/** The flows of a worker. */
export interface WorkerFlows extends FailedFlows {
  readonly open: readonly Flow[];
}

/** How a destination answers. */
export interface Probe {
  /** `done` when it takes connections. */
  readonly outcome: Outcome;
  readonly ms: number;
}

/** Why a destination takes no connections, as the daemon sees in what the cluster has. */
export interface Unserved {
  readonly error: ProxyError;
  readonly details: string;
}

/** What has changed in a cluster's addresses. */
export interface AddressChange {
  readonly cluster: string;
  /** From the address that programs on the laptop dial to the cluster's own. */
  readonly added: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
  /** Whether what programs dial are virtual addresses: such a one is no cluster's own, even where one has it. */
  readonly areVirtual?: true;
}

/** Where a connection to a captured address goes: to the port that was dialled. */
export interface ClusterTarget {
  readonly cluster: string;
  /** The Service's or pod's own address. */
  readonly address: string;
  /** The virtual address that was dialled for it; absent where its own was. */
  readonly virtual?: string;
}

/** A pod's port to dial through the API server. */
export interface AgentPlace {
  readonly access: ApiServerAccess;
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
  /** The port where the agent joins lanes (wire/lanes.ts), if it does. */
  readonly lanes?: number;
}

/** Why the API server didn't let the last dial through: it refused the credentials (401), or gave no answer. */
export type DialFailure = "unauthorized" | "unreachable";

/** A node agent to which a session keeps a reversed tunnel: one for each session and agent. */
export interface NodeAgent {
  readonly pod: string;
  readonly uid: string;
  readonly node: string;
  /** UID of the InterceptSession. */
  readonly session: string;
}

/** Where an intercepted connection goes on the laptop. Only the laptop knows. */
export interface LocalTarget {
  readonly protocol: Flow["protocol"];
  /** UID of the rule. */
  readonly rule: string;
  /** The id of the intercept: "echo.default:80". */
  readonly intercept: string;
  /** The Service's port, as the stream must name it. */
  readonly port: number;
  readonly host: string;
  readonly localPort: number;
}

/** An address and port of a cluster. */
export interface Place {
  readonly address: string;
  readonly port: number;
}

/** Connections of this laptop that one of its programs answers, instead of the cluster. `rule` is a name of its own. */
export interface Redirect extends LocalTarget {
  /** Where such connections go, as the cluster knows it. */
  readonly places: readonly Place[];
}

/** The connections of a rule, or of a redirect. */
export interface RuleCounts {
  readonly rule: string;
  readonly open: number;
  readonly total: number;
  /** Requests of a personal rule, as node agents told; 0 of another one. */
  readonly requests: { readonly seen: number; readonly taken: number; readonly declined: number };
}

/** The connections of a cluster. */
export interface ClusterCounts {
  readonly openStreams: number;
  /** Of the tunnel's last ping; null before the first. */
  readonly roundTripMs: number | null;
  readonly rules: readonly RuleCounts[];
  /** Nodes whose agents should be connected, for intercepts, and aren't at the moment. */
  readonly lostNodes: readonly string[];
}

/** How a tunnel to a gateway stands. `why` is for people. */
export type TunnelNews =
  | { readonly cluster: string; readonly state: "connected"; readonly pod: string }
  | { readonly cluster: string; readonly state: "connecting" | "ended"; readonly why: string };

/** Where captured datagrams come from: what a worker asks of the daemon, which has the helper. */
export interface UdpSource {
  /**
   * Has a UDP socket of this process bound to a captured address and port. What came before by the catch-all socket arrives before this
   * resolves.
   */
  open(socket: SocketToBind): Promise<void>;
  /** Tells callers that a port is unreachable. */
  unreachable(callers: readonly UnreachableFor[]): Promise<void>;
}

/** Whose datagrams of a family are carried. */
export interface UdpCallers {
  /** pmz's own address of that family, which that of all programs' sockets is. */
  readonly own: string;
  readonly accounts: Accounts;
}

/** What the plane asks of a worker. DataPlane's methods say more. */
export type DataCalls = {
  connect(cluster: string): void;
  reach(cluster: string): void;
  disconnect(cluster: string): Promise<void>;
  /** Returns the listener's descriptor; undefined where the machine has no such address. */
  listen(address: string): number | undefined;
  unlisten(argument: null): void;
  /** Whether UDP can be carried: Deno has UDP sockets where it was started with --unstable-net. */
  takesUdp(argument: null): boolean;
  carryUdp(callers: UdpCallers): void;
  datagrams(arrived: readonly FirstDatagram[]): void;
  callersClosed(callers: readonly Caller[]): void;
  changeAddresses(change: AddressChange): void;
  /** Whether captured connections may lead to a cluster. An address that several have leads to the one captured first. */
  captured(of: { readonly cluster: string; readonly isCaptured: boolean }): void;
  /** Replaces a cluster's names, which the proxy looks up. */
  zone(zone: ZoneData): void;
  /** Changes some Services of a cluster. */
  names(change: ZoneChange): void;
  custom(domains: readonly CustomDomain[]): void;
  /** Returns the proxy's address. */
  proxy(port: number): string;
  /** Ends the proxy, and forgets the names of all clusters. */
  unproxy(argument: null): Promise<void>;
  check(argument: null): void;
  probe(destination: Destination): Promise<Probe>;
  intercepts(of: { readonly cluster: string; readonly targets: readonly LocalTarget[] }): void;
  /** Replaces the redirects of a cluster. Open connections that lead elsewhere by then are closed. */
  redirects(of: { readonly cluster: string; readonly redirects: readonly Redirect[] }): void;
  /** Replaces the node agents of a cluster to which this worker keeps reversed tunnels. */
  agents(of: { readonly cluster: string; readonly agents: readonly NodeAgent[] }): void;
  counts(cluster: string): ClusterCounts;
  /** Adds failed flows that no worker saw. `omitted` more are not told. */
  refused(of: { readonly attempts: readonly RefusedAttempts[]; readonly omitted: number }): void;
  flows(argument: null): Promise<WorkerFlows>;
  /** As `flows`, of those that failed alone: no program is looked for. */
  failedFlows(argument: null): FailedFlows;
  /** Says whether the worker calls `ended`. */
  follow(on: boolean): void;
};

/** What a worker asks of the plane. DataPlaneParts say more. */
export type MainCalls = {
  gateway(of: { readonly cluster: string; readonly after?: DialFailure }): Promise<AgentPlace>;
  agent(
    of: { readonly cluster: string; readonly agent: NodeAgent; readonly after?: DialFailure },
  ): Promise<AgentPlace>;
  prove(
    of: { readonly cluster: string; readonly agent: NodeAgent; readonly challenge: Challenge },
  ): Promise<Proof | undefined>;
  /** Asked where a gateway refuses a proxied connection. */
  whyUnserved(destination: Destination): Unserved | undefined;
  openUdp(socket: SocketToBind): Promise<void>;
  udpUnreachable(callers: readonly UnreachableFor[]): Promise<void>;
  tunnel(news: TunnelNews): void;
  failed(of: { readonly flow: Flow; readonly omitted: number }): void;
  ended(flow: Flow): void;
  log(line: { readonly message: string; readonly fields: Record<string, string | number> }): void;
};
