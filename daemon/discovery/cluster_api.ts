import { Api } from "../../kube/client/api.ts";
import { pathOf, resources } from "../../kube/client/resources.ts";
import { clusterAccess, type KubeconfigCluster } from "../../kube/config/kubeconfig.ts";
import type { ClusterChoice, ClusterName, Mode, TunnelState } from "../../wire/control.ts";
import { GATEWAY_NAMESPACE, NODE_NAMESPACE, ports, selectors } from "../../wire/places.ts";
import type { AgentPlace, DialFailure, NodeAgent, TunnelNews } from "../../dataplane/plane.ts";
import { type Log, logAbout } from "../process/log.ts";
import { AgentPods } from "./agent_pods.ts";
import { Discovery } from "./discovery.ts";
import type { Topology, TopologyChange } from "./topology.ts";

/** The cluster has this long to answer, in milliseconds: its server may be far away or asleep. */
const REACH_TIMEOUT_MS = 10_000;

/**
 * One cluster, reached by one context of a kubeconfig: its API, what it has, and where its agents are. The rest of the daemon
 * refers to it by `id`.
 */
export class ClusterApi implements AsyncDisposable {
  readonly #cluster: KubeconfigCluster;
  readonly #namespace: string;
  readonly #kubeconfig: string | undefined;
  /** Of the CA when the connection was made, or of one that it was replaced by. */
  #knownCaHash: string;
  #uid: string | undefined;
  readonly #log: Log;
  readonly #ending = new AbortController();
  readonly #parts = new AsyncDisposableStack();
  #discovery: Discovery | undefined;
  #gateways: AgentPods | undefined;
  #nodes: AgentPods | undefined;
  readonly api: Api;
  /** How much of it is used; grows, never shrinks. */
  mode: Mode = "intercept";
  tunnel: TunnelState = { state: "connecting", why: "not asked for" };

  private constructor(cluster: KubeconfigCluster, choice: ClusterChoice, log: Log) {
    this.#cluster = cluster;
    this.#namespace = choice.namespace ?? cluster.namespace;
    this.#kubeconfig = choice.kubeconfig;
    this.#knownCaHash = cluster.caHash;
    this.#log = logAbout(log, { cluster: cluster.context });
    this.api = this.#parts.use(new Api(cluster));
  }

  /**
   * Reads the kubeconfig, and makes sure that the API server answers.
   * @throws {KubeconfigError} @throws {ApiError} @throws the signal's reason
   */
  static async open(choice: ClusterChoice, log: Log, signal?: AbortSignal): Promise<ClusterApi> {
    const { namespace: _, ...which } = choice;
    const cluster = await clusterAccess(which);
    signal?.throwIfAborted();
    const connection = new ClusterApi(cluster, choice, log);
    try {
      const call = { timeoutMs: REACH_TIMEOUT_MS, ...(signal && { signal }) };
      const uid = connection.#readUid(call);
      await connection.api.json("GET", "/version", { what: "reach the cluster", ...call });
      connection.#uid = await uid;
      return connection;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
  }

  get name(): ClusterName {
    const { context, server, user } = this.#cluster;
    return { context, server, namespace: this.#namespace, user };
  }

  /** What a command would have to name to mean this cluster. */
  get choice(): Pick<ClusterChoice, "context" | "kubeconfig"> {
    return { context: this.id, ...(this.#kubeconfig === undefined ? {} : { kubeconfig: this.#kubeconfig }) };
  }

  /**
   * Reads the kubeconfig again for a further command: the server may have moved, and the command's environment and credential count from now
   * on.
   * @throws {KubeconfigError} and nothing has changed then
   */
  async reread({ environment, credential }: ClusterChoice): Promise<void> {
    await this.#cluster.reread({
      ...(environment ? { environment } : {}),
      ...(credential ? { credential } : {}),
    });
    if (!this.isMadeAgain || this.#uid === undefined) return;
    const uid = await this.#readUid({ timeoutMs: REACH_TIMEOUT_MS });
    if (uid === this.#uid) this.#knownCaHash = this.caHash; // the CA was rotated
  }

  /** Undefined where it may not be read. */
  async #readUid(
    call: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<string | undefined> {
    try {
      const path = pathOf(resources.namespaces, { name: "kube-system" });
      const raw = await this.api.json("GET", path, { what: "read which cluster it is", ...call });
      const { metadata } = raw as { metadata?: { uid?: unknown } };
      return typeof metadata?.uid === "string" ? metadata.uid : undefined;
    } catch {
      return undefined; // what doesn't answer at all is said by other requests
    }
  }

  /** The key of the cluster in everything that is kept by cluster. */
  get id(): string {
    return this.#cluster.context;
  }

  /** UID of namespace kube-system, which a key proof names the cluster by; undefined where it can't be read. */
  get uid(): string | undefined {
    return this.#uid;
  }

  /** SHA-256 of the cluster's CA: what an older agent's key proof names it by. */
  get caHash(): string {
    return this.#cluster.caHash;
  }

  /**
   * Whether the kubeconfig has another CA by now, of which it isn't known that the same cluster has it: it was made again by
   * the same name.
   */
  get isMadeAgain(): boolean {
    return this.caHash !== this.#knownCaHash;
  }

  /** Whether another connection leads to the same cluster. */
  isAlike(other: ClusterApi): boolean {
    if (this.uid !== undefined && other.uid !== undefined) return this.uid === other.uid;
    return this.name.server === other.name.server && this.caHash === other.caHash;
  }

  /** Aborts when the connection ends. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Starts to follow what the cluster has; `changed` is called after changes, `told` with how far it is. Once. */
  async discover(
    changed: (change: TopologyChange) => void,
    told?: (text: string) => void,
    signal?: AbortSignal,
  ): Promise<void> {
    this.#discovery ??= this.#parts.use(
      await Discovery.start(this.api, this.name.namespace, this.#log, changed, told, signal),
    );
  }

  /**
   * Lists everything again where something might not be seen: rights may have been given since.
   * @returns what the cluster had before; undefined where nothing was listed again
   */
  async rediscover(
    changed: (change: TopologyChange) => void,
    told?: (text: string) => void,
    signal?: AbortSignal,
  ): Promise<Topology | undefined> {
    const before = this.#discovery;
    if (!before || before.limits.length === 0) return undefined;
    this.#discovery = this.#parts.use(
      await Discovery.start(this.api, this.name.namespace, this.#log, changed, told, signal),
    );
    await before[Symbol.asyncDispose]();
    return before.topology;
  }

  /** What the cluster has; nothing before it was discovered. */
  get topology(): Topology {
    return this.#discovery?.topology ?? { services: new Map(), pods: new Map() };
  }

  /** What may not be seen with these credentials, in words. */
  get limits(): readonly string[] {
    return this.#discovery?.limits ?? [];
  }

  /** The only namespace of which all Services are seen; undefined when that is so for all. */
  get onlyNamespace(): string | undefined {
    return this.#discovery?.onlyNamespace;
  }

  /** The gateway's pods, followed from the first call on. */
  gateways(): AgentPods {
    const of = { namespace: GATEWAY_NAMESPACE, selector: selectors.gateway, log: this.#log };
    return this.#gateways ??= this.#parts.use(new AgentPods(this.api, of));
  }

  /** The node agents' pods, followed from the first call on. */
  nodeAgents(): AgentPods {
    const of = {
      namespace: NODE_NAMESPACE,
      selector: selectors.node,
      controller: "DaemonSet",
      log: this.#log,
    };
    return this.#nodes ??= this.#parts.use(new AgentPods(this.api, of));
  }

  /** Where the gateway is to be dialled; waits until there's one. */
  async gatewayPlace(after?: DialFailure): Promise<AgentPlace> {
    const pod = await this.gateways().one(this.#ending.signal);
    return {
      access: await this.#access(after),
      namespace: pod.namespace,
      pod: pod.name,
      port: ports.gateway,
      lanes: ports.gatewayLanes,
    };
  }

  async agentPlace(agent: NodeAgent, after?: DialFailure): Promise<AgentPlace> {
    return {
      access: await this.#access(after),
      namespace: NODE_NAMESPACE,
      pod: agent.pod,
      port: ports.relay,
      lanes: ports.relayLanes,
    };
  }

  /** How the API server is reached now. A port-forward that failed is like a request that did: credentials are renewed, files read again. */
  async #access(after?: DialFailure): Promise<AgentPlace["access"]> {
    if (after === "unauthorized") return await this.#cluster.access({ renew: true });
    if (after !== "unreachable") return await this.#cluster.access();
    // A kubeconfig that is being rewritten at this moment is read at the next failure.
    return await this.#cluster.access({ reread: true }).catch(() => this.#cluster.access());
  }

  /** Reconnects everything that may be dead unnoticed, after a change of the network or when the laptop slept. */
  reconnect(): void {
    this.api.forgetConnections();
    for (const part of [this.#discovery, this.#gateways, this.#nodes]) part?.reconnect();
  }

  /** Notes a change of the tunnel. */
  tunnelNews(news: TunnelNews): void {
    const cluster = this.id;
    // The tunnel may have another connection: its state comes with the next message.
    if (news.state === "ended") {
      return this.#log("warn", `a connection of the tunnel has ended: ${news.why}`, { cluster });
    }
    this.#log("info", news.state === "connected" ? "tunnel is up" : `tunnel is being dialled: ${news.why}`, {
      cluster,
    });
    this.tunnel = news.state === "connected"
      ? { state: "connected", since: new Date().toISOString(), pod: news.pod }
      : { state: "connecting", why: news.why };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error("the cluster is disconnected"));
    await this.#parts[Symbol.asyncDispose]();
  }
}
