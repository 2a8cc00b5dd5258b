/**
 * What the daemon's main thread and its data worker ask of each other. The worker owns listeners and tunnels (a
 * socket can't move between workers) and carries every byte; what it must know of clusters is told by the main thread.
 */
import type { ApiServerAccess } from "../kube/client/access.ts";
import type { Challenge, Proof } from "../wire/key_proof.ts";
import type { CustomDomain, ZoneData } from "../names/zone/zone_data.ts";

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

export type TunnelNews =
  | { readonly cluster: string; readonly state: "connected"; readonly pod: string }
  | { readonly cluster: string; readonly state: "connecting" | "ended"; readonly why: string };

/** The main thread asks the worker. */
export type DataCalls = {
  /** Makes room for a cluster; no tunnel is dialled yet. */
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
  /**
   * Replaces a cluster's addresses: as the laptop's programs dial them, and as the cluster knows them where that is
   * another. An address that two clusters have is the one's that was connected first.
   */
  addresses(of: { readonly cluster: string; readonly addresses: ReadonlyMap<string, string> }): void;
  /** Replaces a cluster's names: the proxy looks them up. */
  zone(zone: ZoneData): void;
  custom(domains: readonly CustomDomain[]): void;
  /** Serves the proxy on loopback; its own address is the answer. */
  proxy(port: number): string;
  unproxy(argument: null): Promise<void>;
  /** Looks at once whether the tunnels still live: the laptop slept, or its network has changed. */
  check(argument: null): void;
  /** Opens a stream to an authority of the cluster, and closes it: milliseconds. */
  dial(target: { readonly cluster: string; readonly authority: string }): Promise<number>;
  /** Replaces the intercepts of a cluster. */
  intercepts(of: { readonly cluster: string; readonly targets: readonly LocalTarget[] }): void;
  /** Replaces the node agents of a cluster to which reversed tunnels are kept. */
  agents(of: { readonly cluster: string; readonly agents: readonly NodeAgent[] }): void;
  counts(
    cluster: string,
  ): {
    readonly openStreams: number;
    readonly roundTripMs: number | null;
    readonly rules: readonly RuleCounts[];
  };
};

/** The worker asks the main thread. */
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
  log(line: { readonly message: string; readonly fields: Record<string, string | number> }): void;
};
