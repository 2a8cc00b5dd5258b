/**
 * What the plane (plane.ts, in the daemon's main thread) and its workers ask of each other. A worker owns listeners and
 * tunnels (a socket can't move between workers) and carries every byte; the plane tells it what it must know of clusters.
 */
import type { ApiServerAccess } from "../kube/client/access.ts";
import type { Flow, Outcome } from "../wire/flow.ts";
import type { Challenge, Proof } from "../wire/key_proof.ts";
import type { CustomDomain, ZoneChange, ZoneData } from "../names/zone/zone_data.ts";

/** What a connection of a laptop's program is for. */
export interface Destination {
  readonly protocol: "tcp";
  readonly cluster: string;
  /** The Service's or pod's address, as the cluster knows it. */
  readonly address: string;
  readonly port: number;
}

/** How a destination answers. */
export interface Probe {
  /** `done` when it takes connections. */
  readonly outcome: Outcome;
  readonly ms: number;
}

/** What has changed in a cluster's addresses. */
export interface AddressChange {
  readonly cluster: string;
  /** As the laptop's programs dial them, and as the cluster knows them where that is another. */
  readonly added: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
}

/** Where a connection to a captured address goes. The port stays the one that was dialled. */
export interface Target {
  readonly cluster: string;
  /** The Service's or pod's own address; other than the captured one where that is virtual. */
  readonly address: string;
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

/** An agent of a node, to which a session keeps a reversed tunnel: one for each session and agent. */
export interface NodeAgent {
  readonly pod: string;
  readonly uid: string;
  readonly node: string;
  /** UID of the InterceptSession. */
  readonly session: string;
}

/** Where an intercepted connection goes on the laptop: known here alone. */
export interface LocalTarget {
  /** UID of the rule. */
  readonly rule: string;
  /** The id of the intercept: "echo.default:80". */
  readonly intercept: string;
  /** The Service's port, as the stream must name it. */
  readonly port: number;
  readonly host: string;
  readonly localPort: number;
}

export interface RuleCounts {
  readonly rule: string;
  readonly open: number;
  readonly total: number;
}

/** The connections of a cluster. */
export interface ClusterCounts {
  readonly openStreams: number;
  /** Of the tunnel's last ping; null before the first. */
  readonly roundTripMs: number | null;
  readonly rules: readonly RuleCounts[];
}

export type TunnelNews =
  | { readonly cluster: string; readonly state: "connected"; readonly pod: string }
  | { readonly cluster: string; readonly state: "connecting" | "ended"; readonly why: string };

/** The plane asks a worker. */
export type DataCalls = {
  /** Makes room for a cluster; no tunnel is dialled yet. An address that several clusters have is the first one's. */
  connect(cluster: string): void;
  /** Keeps a tunnel to the cluster's gateway from now on. */
  reach(cluster: string): void;
  disconnect(cluster: string): Promise<void>;
  /**
   * Accepts captured connections on a loopback address; answers the listener's descriptor, for the helper to steer them to.
   * Undefined where the machine has no such address.
   */
  listen(address: string): number | undefined;
  /** Closes the listeners: nothing is captured any more. */
  unlisten(argument: null): void;
  changeAddresses(change: AddressChange): void;
  /** Replaces a cluster's names: the proxy looks them up. */
  zone(zone: ZoneData): void;
  /** Changes some Services of a cluster. */
  names(change: ZoneChange): void;
  custom(domains: readonly CustomDomain[]): void;
  /** Serves the proxy on loopback; its own address is the answer. */
  proxy(port: number): string;
  /** Ends the proxy, and forgets all clusters' names. */
  unproxy(argument: null): Promise<void>;
  /** Looks at once whether the tunnels still live: the laptop slept, or its network has changed. */
  check(argument: null): void;
  /** Opens a stream to a destination, and closes it. */
  probe(destination: Destination): Promise<Probe>;
  /** Replaces the intercepts of a cluster. */
  intercepts(of: { readonly cluster: string; readonly targets: readonly LocalTarget[] }): void;
  /** Replaces the node agents of a cluster to which reversed tunnels are kept. */
  agents(of: { readonly cluster: string; readonly agents: readonly NodeAgent[] }): void;
  counts(cluster: string): ClusterCounts;
  /** The flows that are open, and the last ones that failed. */
  flows(argument: null): Promise<readonly Flow[]>;
  /** Whether `ended` is called. */
  follow(on: boolean): void;
};

/** A worker asks the plane. */
export type MainCalls = {
  /** Where the gateway is; waits until there's one. */
  gateway(cluster: string): Promise<AgentPlace>;
  /** How to dial an agent's pod of the node. */
  agent(of: { readonly cluster: string; readonly agent: NodeAgent }): Promise<AgentPlace>;
  /** Answers a node agent's challenge; undefined when it must not be. */
  prove(
    of: { readonly cluster: string; readonly agent: NodeAgent; readonly challenge: Challenge },
  ): Promise<Proof | undefined>;
  tunnel(news: TunnelNews): void;
  /** A flow has failed. `omitted` ones before it are not told, since there were too many. */
  failed(of: { readonly flow: Flow; readonly omitted: number }): void;
  /** A flow has ended, failed or not. */
  ended(flow: Flow): void;
  log(line: { readonly message: string; readonly fields: Record<string, string | number> }): void;
};
