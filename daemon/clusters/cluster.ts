import { unlessAborted } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import type { ClusterApi } from "../discovery/cluster_api.ts";
import { ClusterIndex, type IndexChange } from "../discovery/cluster_index.ts";
import { CLUSTER_DOMAIN } from "../discovery/service_names.ts";
import { type TopologyChange, wholeOf } from "../discovery/topology.ts";
import type { DataPlane, TunnelNews } from "../../dataplane/plane.ts";
import { Failure } from "../failure.ts";
import { ClusterIntercepts } from "../intercepts/cluster_intercepts.ts";
import { ClusterRedirects } from "../intercepts/cluster_redirects.ts";
import type { Log } from "../process/log.ts";
import type { ZoneIdentity } from "../../names/zone/zone_data.ts";

/** A pod of the gateway has this long to become ready, in milliseconds: its image may have to be pulled. */
const POD_TIMEOUT_MS = 600_000;
/** From then on, the tunnel has this long to be there for the first time. */
const TUNNEL_TIMEOUT_MS = 30_000;

/** Services that are named in the log for one change, because of their addresses. */
const LOGGED = 20;

/** What a connected cluster needs. */
export interface ClusterParts {
  readonly connection: ClusterApi;
  readonly data: Pick<
    DataPlane,
    "connect" | "reach" | "disconnect" | "setIntercepts" | "setAgents" | "setRedirects"
  >;
  readonly log: Log;
  /** Ranges that were accepted for it, in CIDR notation. */
  readonly acceptedRanges: () => readonly string[];
  /** Called when what the laptop uses of the cluster has changed. */
  readonly changed: (cluster: Cluster, change: IndexChange) => void;
  readonly podTimeoutMs?: number;
  readonly tunnelTimeoutMs?: number;
}

/** One connected cluster: its connection, and what this laptop intercepts there. */
export class Cluster {
  readonly connection: ClusterApi;
  readonly intercepts: ClusterIntercepts;
  readonly redirects: ClusterRedirects;
  readonly #parts: ClusterParts;
  #news = Promise.withResolvers<void>();
  #reaching = false;
  /** What an `up` that is under way does now, in words; undefined while none is. */
  comingUp: string | undefined;
  /** What the cluster has, by address and by name. */
  readonly index = new ClusterIndex();

  constructor(parts: ClusterParts) {
    const { connection, data, log } = parts;
    this.connection = connection;
    this.#parts = parts;
    const quiet = (error: unknown) =>
      log("warn", "a change of the intercepts could not be passed on", { cluster: this.id, error });
    this.intercepts = new ClusterIntercepts(connection, log, ({ targets, agents }) => {
      data.setIntercepts(this.id, targets).catch(quiet);
      data.setAgents(this.id, agents).catch(quiet);
    });
    this.redirects = new ClusterRedirects({
      id: this.id,
      names: (service) => this.index.services.get(service),
      answer: (service, port, isAnswered) => {
        this.index.setAnsweredHere(service, port, isAnswered);
        this.#changed({ services: new Set([service]), slices: new Set(), pods: new Set() });
      },
      tell: (redirects) => void data.setRedirects(this.id, redirects).catch(quiet),
    });
  }

  get id(): string {
    return this.connection.id;
  }

  /** Ranges that were accepted for it, in CIDR notation. */
  get acceptedRanges(): readonly string[] {
    return this.#parts.acceptedRanges();
  }

  /** What the cluster's names end with. */
  get zone(): ZoneIdentity {
    const { name: { context, namespace }, onlyNamespace } = this.connection;
    return {
      cluster: this.id,
      context,
      clusterDomain: CLUSTER_DOMAIN,
      namespace,
      ...(onlyNamespace === undefined ? {} : { onlyNamespace }),
    };
  }

  /** Learns what the cluster has, and follows it. @throws {ApiError} @throws the signal's reason */
  async discover(detail: (text: string) => void, signal: AbortSignal): Promise<void> {
    await this.#parts.data.connect(this.id);
    await this.connection.discover((change) => this.#changed(change), detail, signal);
    this.#changed(wholeOf(this.connection.topology));
  }

  /** Looks again at what might not be seen before. @throws {ApiError} @throws the signal's reason */
  async refresh(detail: (text: string) => void, signal: AbortSignal): Promise<void> {
    const changed = (change: TopologyChange) => this.#changed(change);
    const before = await this.connection.rediscover(changed, detail, signal);
    if (!before) return;
    const [gone, now] = [wholeOf(before), wholeOf(this.connection.topology)];
    this.#changed({
      services: gone.services.union(now.services),
      slices: gone.slices.union(now.slices),
      pods: gone.pods.union(now.pods),
    });
  }

  #changed(change: TopologyChange): void {
    const indexed = this.index.update(this.connection.topology, change);
    this.intercepts.changed();
    if (indexed.services.size > 0) this.redirects.changed();
    this.#logRefused(change);
    if (indexed.addresses.size > 0 || indexed.services.size > 0) this.#parts.changed(this, indexed);
  }

  /** Says which Services claim an address that the gateway never dials. */
  #logRefused({ services }: TopologyChange): void {
    const refused = [...services].flatMap((service) =>
      (this.index.refused.get(service) ?? []).map(({ address, why }) => ({
        service,
        to: address,
        details: why,
      }))
    );
    for (const one of refused.slice(0, LOGGED)) {
      this.#parts.log("warn", "a Service's address is never dialled: no name leads there", {
        cluster: this.id,
        ...one,
      });
    }
  }

  /**
   * Has the tunnel to the gateway dialled, and waits until it's there.
   * @throws {Failure} `timeout`, with the reason; `agent` when no pod of the gateway becomes ready. @throws {ApiError} when the gateway's pods may not be listed.
   * @throws the signal's reason
   */
  async reach(detail: (text: string) => void, signal: AbortSignal): Promise<void> {
    await this.#gatewayPod(detail, signal);
    using limit = new TimeLimit(this.#parts.tunnelTimeoutMs ?? TUNNEL_TIMEOUT_MS, signal);
    try {
      if (!this.#reaching) await this.#parts.data.reach(this.id);
      this.#reaching = true;
      detail("dialling the gateway");
      while (this.connection.tunnel.state !== "connected") {
        await unlessAborted(this.#news.promise, limit.signal);
        const { tunnel } = this.connection;
        if (tunnel.state === "connecting") detail(`dialling the gateway: ${tunnel.why}`);
      }
    } catch (error) {
      if (signal.aborted || !limit.signal.aborted) throw error;
      const { tunnel } = this.connection;
      const why = tunnel.state === "connecting" ? tunnel.why : "";
      throw new Failure("timeout", `the gateway can't be reached through the API server: ${why}`, {
        hint: "look at the gateway: pmz agent status; look at your rights: pmz doctor rights",
        cause: error,
      });
    }
  }

  /** Waits for a pod of the gateway that can be dialled. */
  async #gatewayPod(detail: (text: string) => void, signal: AbortSignal): Promise<void> {
    detail("looking for the gateway");
    using limit = new TimeLimit(this.#parts.podTimeoutMs ?? POD_TIMEOUT_MS, signal);
    const gateways = this.connection.gateways();
    try {
      await unlessAborted(gateways.ready, limit.signal);
      await gateways.one(limit.signal, (why) => detail(`waiting for the gateway: ${why}`));
    } catch (cause) {
      if (signal.aborted || !limit.signal.aborted) throw cause;
      throw new Failure("agent", `no pod of the gateway becomes ready: ${gateways.whyNone()}`, {
        hint: "look at the gateway: pmz agent status",
        cause,
      });
    }
  }

  tunnelNews(news: TunnelNews): void {
    this.connection.tunnelNews(news);
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  /** Ends it, in bounded time; what is left in the cluster, in words. */
  async end(): Promise<string[]> {
    // The tunnels first: with them the intercepted pods answer again, whether the API server can be reached or not.
    await this.#parts.data.disconnect(this.id).catch(() => {}); // the worker is gone, and its tunnels with it
    this.redirects[Symbol.dispose]();
    const left = await this.intercepts.end();
    await this.connection[Symbol.asyncDispose]();
    return left;
  }
}
