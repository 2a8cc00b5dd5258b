/**
 * The data plane, as the daemon sees it: the only way to whatever carries a laptop's bytes. It keeps the workers, tells
 * each what it has to know, and joins what they answer.
 */
import type { CustomDomain, ZoneChange, ZoneData } from "../names/zone/zone_data.ts";
import type { Channel } from "../threads/channel.ts";
import { openWorker, type StartWorker } from "../threads/worker.ts";
import type { Flow } from "../wire/flow.ts";
import type { Challenge, Proof } from "../wire/key_proof.ts";
import { joinedFailures } from "./joined_failures.ts";
import type {
  AddressChange,
  AgentPlace,
  ClusterCounts,
  DataCalls,
  Destination,
  DialFailure,
  LocalTarget,
  MainCalls,
  NodeAgent,
  Probe,
  Redirect,
  RefusedAttempts,
  TunnelNews,
  UdpCallers,
  UdpSource,
  Unserved,
} from "./protocol.ts";
import type { Caller } from "./udp/captured_udp.ts";
import type { FirstDatagram } from "./udp/destination_sockets.ts";
import { TunnelStates } from "./tunnel_states.ts";
import { DATA_WORKERS } from "./workers.ts";

export type {
  AddressChange,
  AgentPlace,
  ClusterCounts,
  Destination,
  DialFailure,
  LocalTarget,
  NodeAgent,
  Place,
  Probe,
  Redirect,
  RefusedAttempts,
  RuleCounts,
  TunnelNews,
  UdpSource,
  Unserved,
} from "./protocol.ts";
export type { Caller } from "./udp/captured_udp.ts";
export type { FirstDatagram, SocketToBind } from "./udp/destination_sockets.ts";

/** What the plane asks about clusters, and what it reports. */
export interface DataPlaneParts {
  readonly startWorker: StartWorker;
  /** How many there are; `DATA_WORKERS` when absent. */
  readonly workers?: number;
  /** Where a cluster's gateway is; waits until there is one. */
  gateway(cluster: string, after?: DialFailure): Promise<AgentPlace>;
  /** How to dial a node agent. */
  agent(cluster: string, agent: NodeAgent, after?: DialFailure): Promise<AgentPlace>;
  /** Answers a node agent's challenge; undefined when it must not be answered. */
  prove(cluster: string, agent: NodeAgent, challenge: Challenge): Promise<Proof | undefined>;
  /** Why a destination takes no connections; undefined where it should. */
  whyUnserved(destination: Destination): Unserved | undefined;
  tunnel(news: TunnelNews): void;
  /** A flow has failed. `omitted` ones before it are not reported, since there were too many. */
  flowFailed(flow: Flow, omitted: number): void;
  log(message: string, fields: Readonly<Record<string, string | number>>): void;
  /** A worker died, and with it the flows that it carried: the plane is of no use any more. Called once. */
  died(error: Error): void;
}

type Worker = Disposable & { readonly channel: Channel<MainCalls, DataCalls> };

export class DataPlane implements Disposable {
  readonly #workers: readonly [Worker, ...Worker[]];
  #custom: readonly CustomDomain[] = [];
  #serving = false;
  readonly #followers = new Set<(flow: Flow) => void>();
  /** Local ends of the daemon's own captured connections, which followers aren't told. */
  readonly #own = new Set<string>();
  readonly #tunnels: TunnelStates;
  #udp: UdpSource | undefined;

  constructor(parts: DataPlaneParts) {
    const { startWorker, workers = DATA_WORKERS } = parts;
    this.#tunnels = new TunnelStates(workers, (news) => parts.tunnel(news));
    let dead = false;
    const died = (error: Error) => {
      if (!dead) parts.died(error);
      dead = true;
    };
    const open = (worker: number): Worker =>
      openWorker<MainCalls, DataCalls>(startWorker, "data", this.#answers(parts, worker), died);
    this.#workers = [open(0), ...Array.from({ length: workers - 1 }, (_, i) => open(i + 1))];
  }

  #answers(parts: DataPlaneParts, worker: number): MainCalls {
    return {
      gateway: ({ cluster, after }) => parts.gateway(cluster, after),
      agent: ({ cluster, agent, after }) => parts.agent(cluster, agent, after),
      prove: ({ cluster, agent, challenge }) => parts.prove(cluster, agent, challenge),
      whyUnserved: (destination) => parts.whyUnserved(destination),
      openUdp: async (socket) => await this.#udpSource().open(socket),
      udpUnreachable: async (callers) => await this.#udpSource().unreachable(callers),
      tunnel: (news) => this.#tunnels.report(worker, news),
      failed: ({ flow, omitted }) => parts.flowFailed(flow, omitted),
      ended: (flow) => {
        if (this.#own.delete(flow.from)) return;
        for (const follower of this.#followers) follower(flow);
      },
      log: ({ message, fields }) => parts.log(message, fields),
    };
  }

  /** Makes room for a cluster; no tunnel is dialled yet. An address that several clusters have is the first one's. */
  async connect(cluster: string): Promise<void> {
    await this.#all("connect", cluster);
  }

  /** Keeps a tunnel to the cluster's gateway from now on. */
  async reach(cluster: string): Promise<void> {
    await this.#all("reach", cluster);
  }

  /** Breaks all flows of a cluster off, and forgets it. */
  async disconnect(cluster: string): Promise<void> {
    await this.#all("disconnect", cluster);
    this.#tunnels.forget(cluster);
  }

  async changeAddresses(change: AddressChange): Promise<void> {
    if (change.added.size > 0 || change.removed.length > 0) await this.#all("changeAddresses", change);
  }

  /**
   * Whether captured connections may lead to a cluster: one that is only proxied may have the same addresses. An address that
   * several have leads to the one that was captured first.
   */
  async setCaptured(cluster: string, isCaptured: boolean): Promise<void> {
    await this.#all("captured", { cluster, isCaptured });
  }

  /** Replaces a cluster's names. Only the proxy looks them up: without effect while it isn't served. */
  async setZone(zone: ZoneData): Promise<void> {
    if (this.#serving) await this.#proxying("zone", zone);
  }

  /** Changes some Services of a cluster, as `setZone` would. */
  async changeNames(change: ZoneChange): Promise<void> {
    if (this.#serving) await this.#proxying("names", change);
  }

  /** Replaces the user's own domains. */
  async setCustomDomains(domains: readonly CustomDomain[]): Promise<void> {
    this.#custom = domains;
    if (this.#serving) await this.#proxying("custom", domains);
  }

  /**
   * Accepts captured connections on a loopback address, in every worker.
   * @returns the listeners' descriptors; none where the machine has no such address
   */
  async listen(address: string): Promise<number[]> {
    return (await this.#all("listen", address)).filter((descriptor) => descriptor !== undefined);
  }

  /** Whether captured datagrams can be carried. */
  async takesUdp(): Promise<boolean> {
    return await this.#workers[0].channel.call("takesUdp", null);
  }

  /**
   * Carries captured datagrams, in the first worker: a destination has one socket, and a flow all of its datagrams in one thread.
   */
  async carryUdp(callers: UdpCallers, source: UdpSource): Promise<void> {
    this.#udp = source;
    await this.#workers[0].channel.call("carryUdp", callers);
  }

  /** Datagrams have come by the catch-all socket. Settles when the worker has them. */
  async datagrams(arrived: readonly FirstDatagram[]): Promise<void> {
    await this.#workers[0].channel.call("datagrams", arrived);
  }

  /** Programs' UDP sockets were closed. */
  async callersClosed(callers: readonly Caller[]): Promise<void> {
    await this.#workers[0].channel.call("callersClosed", callers);
  }

  #udpSource(): UdpSource {
    if (!this.#udp) throw new Error("no UDP is captured");
    return this.#udp;
  }

  /** Closes the listeners, and the sockets that captured datagrams come by. */
  async unlisten(): Promise<void> {
    this.#udp = undefined;
    await this.#all("unlisten", null);
  }

  /**
   * Serves the proxy on loopback. It knows no cluster's names until they are set.
   * @returns its address: "127.0.0.1:1080"
   * @throws {RemoteError} when it can't listen on that port
   */
  async serveProxy(port: number): Promise<string> {
    const address = await this.#proxying("proxy", port);
    this.#serving = true;
    await this.#proxying("custom", this.#custom);
    return address;
  }

  /** Ends the proxy, and forgets all clusters' names. */
  async endProxy(): Promise<void> {
    this.#serving = false;
    await this.#proxying("unproxy", null);
  }

  /** Replaces the intercepts of a cluster. */
  async setIntercepts(cluster: string, targets: readonly LocalTarget[]): Promise<void> {
    await this.#all("intercepts", { cluster, targets });
  }

  /** Replaces the redirects of a cluster. Open connections that lead elsewhere by then are closed. */
  async setRedirects(cluster: string, redirects: readonly Redirect[]): Promise<void> {
    await this.#all("redirects", { cluster, redirects });
  }

  /** Replaces the node agents of a cluster to which reversed tunnels are kept, each by one worker. */
  async setAgents(cluster: string, agents: readonly NodeAgent[]): Promise<void> {
    const count = this.#workers.length;
    await Promise.all(this.#workers.map(({ channel }, worker) =>
      channel.call("agents", {
        cluster,
        agents: agents.filter((agent) => workerOf(agent, count) === worker),
      })
    ));
  }

  /** Opens a stream to a destination and closes it again. @returns how it answers */
  async probe(destination: Destination): Promise<Probe> {
    return await this.#workers[0].channel.call("probe", destination);
  }

  /** Pings all tunnels at once, since the laptop slept or its network has changed. */
  async check(): Promise<void> {
    await this.#all("check", null);
  }

  async counts(cluster: string): Promise<ClusterCounts> {
    const all = await this.#all("counts", cluster);
    const rules = Map.groupBy(all.flatMap((one) => one.rules), ({ rule }) => rule);
    const trips = all.flatMap(({ roundTripMs }) => roundTripMs === null ? [] : [roundTripMs]);
    return {
      openStreams: sum(all.map((one) => one.openStreams)),
      roundTripMs: trips.length === 0 ? null : Math.min(...trips),
      lostNodes: [...new Set(all.flatMap((one) => one.lostNodes))],
      rules: [...rules].map(([rule, counts]) => ({
        rule,
        open: sum(counts.map(({ open }) => open)),
        total: sum(counts.map(({ total }) => total)),
        requests: {
          seen: sum(counts.map(({ requests }) => requests.seen)),
          taken: sum(counts.map(({ requests }) => requests.taken)),
          declined: sum(counts.map(({ requests }) => requests.declined)),
        },
      })),
    };
  }

  /** Adds connections that the laptop's kernel refused to the failed flows. `omitted` more are not told. */
  async addRefused(attempts: readonly RefusedAttempts[], omitted: number): Promise<void> {
    await this.#workers[0].channel.call("refused", { attempts, omitted });
  }

  /** The flows that are open, and the last ones that failed: those that began first come first. */
  async flows(): Promise<Flow[]> {
    const all = await this.#all("flows", null);
    return [...joinedFailures(all), ...all.flatMap(({ open }) => open)].sort(started);
  }

  /** The last flows that failed: those that began first come first. Costs less than `flows`, which looks for programs. */
  async failedFlows(): Promise<Flow[]> {
    return joinedFailures(await this.#all("failedFlows", null)).sort(started);
  }

  /**
   * Calls `ended` with every flow that ends from now on, failed or not, until the result is disposed. Workers report
   * them only while somebody follows.
   */
  followFlows(ended: (flow: Flow) => void): Disposable {
    const follower = (flow: Flow) => ended(flow); // the same function may follow twice
    this.#followers.add(follower);
    if (this.#followers.size === 1) this.#follow(true);
    return {
      [Symbol.dispose]: () => {
        if (!this.#followers.delete(follower) || this.#followers.size > 0) return;
        this.#own.clear();
        this.#follow(false);
      },
    };
  }

  /**
   * Leaves an open connection of the daemon's own out of what followers are told: it tries the machine, and is no flow of the
   * user's.
   * @param from its local end: "198.18.255.254:41234"
   */
  hideOwn(from: string): void {
    if (this.#followers.size > 0) this.#own.add(from);
  }

  #follow(on: boolean): void {
    this.#all("follow", on).catch(() => {}); // a worker that died was reported
  }

  /** Calls all workers; the answers are in their order. */
  async #all<Name extends keyof DataCalls>(
    name: Name,
    argument: Parameters<DataCalls[Name]>[0],
  ): Promise<Awaited<ReturnType<DataCalls[Name]>>[]> {
    return await Promise.all(this.#workers.map(({ channel }) => channel.call(name, argument)));
  }

  /** Calls the worker that serves the proxy. */
  #proxying<Name extends "proxy" | "unproxy" | "zone" | "names" | "custom">(
    name: Name,
    argument: Parameters<DataCalls[Name]>[0],
  ): Promise<Awaited<ReturnType<DataCalls[Name]>>> {
    return this.#workers[0].channel.call(name, argument);
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker[Symbol.dispose]();
  }
}

/** The worker that keeps the reversed tunnel of an agent: always the same one. */
function workerOf({ uid, session }: NodeAgent, workers: number): number {
  let hash = 0;
  for (const char of `${session}${uid}`) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) >>> 0;
  return hash % workers;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function started(a: Flow, b: Flow): number {
  return a.started < b.started ? -1 : Number(a.started > b.started);
}
