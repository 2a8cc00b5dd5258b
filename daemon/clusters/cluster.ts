import { unlessAborted } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import type { ClusterConnection } from "../discovery/cluster_api.ts";
import { capturedAddresses } from "../discovery/topology.ts";
import { zoneData } from "../discovery/zone_data.ts";
import type { DataPlane, TunnelNews } from "../../dataplane/plane.ts";
import { Failure } from "../failure.ts";
import { ClusterIntercepts } from "../intercepts/cluster_intercepts.ts";
import type { Log } from "../process/log.ts";
import type { ZoneData } from "../../names/zone/zone_data.ts";

/** The tunnel has this long to be there for the first time, in milliseconds. */
const TUNNEL_TIMEOUT_MS = 30_000;

/** What a connected cluster leans on. */
export interface ConnectedParts {
  readonly connection: ClusterConnection;
  readonly data: Pick<DataPlane, "connect" | "reach" | "disconnect" | "setIntercepts" | "setAgents">;
  readonly log: Log;
  /** Called when what the cluster has, or how much of it is used, has changed. */
  readonly changed: (cluster: Connected) => void;
  readonly tunnelTimeoutMs?: number;
}

/** One connected cluster: its connection, and what this laptop intercepts there. */
export class Connected {
  readonly connection: ClusterConnection;
  readonly intercepts: ClusterIntercepts;
  readonly #parts: ConnectedParts;
  #news = Promise.withResolvers<void>();
  #reaching = false;
  zone: ZoneData;
  addresses: ReadonlyMap<string, CapturedPorts> = new Map();

  constructor(parts: ConnectedParts) {
    const { connection, data, log } = parts;
    this.connection = connection;
    this.#parts = parts;
    this.zone = zoneData(connection.name, { services: new Map(), pods: new Map() });
    const quiet = (error: unknown) =>
      log("warn", "a change of the intercepts could not be passed on", { cluster: this.id, error });
    this.intercepts = new ClusterIntercepts(connection, log, ({ targets, agents }) => {
      data.setIntercepts(this.id, targets).catch(quiet);
      data.setAgents(this.id, agents).catch(quiet);
    });
  }

  get id(): string {
    return this.connection.id;
  }

  /** Learns what the cluster has, and follows it. @throws {ApiError} @throws the signal's reason */
  async discover(signal: AbortSignal): Promise<void> {
    await this.#parts.data.connect(this.id);
    await this.connection.discover(() => this.changed(), signal);
    this.changed();
  }

  /** Makes of what the cluster has what the laptop uses of it, and tells it. */
  changed(): void {
    const { topology } = this.connection;
    this.addresses = capturedAddresses(topology);
    this.zone = zoneData(this.connection.name, topology);
    this.intercepts.changed();
    this.#parts.changed(this);
  }

  /**
   * Has the tunnel to the gateway dialled, and waits until it's there.
   * @throws {Failure} `timeout`, with the reason. @throws {ApiError} when the gateway's pods may not be listed.
   * @throws the signal's reason
   */
  async reach(detail: (text: string) => void, signal: AbortSignal): Promise<void> {
    detail("waiting for the gateway");
    using limit = new TimeLimit(this.#parts.tunnelTimeoutMs ?? TUNNEL_TIMEOUT_MS, signal);
    try {
      await unlessAborted(this.connection.gateways().ready, limit.signal);
      if (!this.#reaching) await this.#parts.data.reach(this.id);
      this.#reaching = true;
      while (this.connection.tunnel.state !== "connected") {
        await unlessAborted(this.#news.promise, limit.signal);
      }
    } catch (error) {
      if (signal.aborted || !limit.signal.aborted) throw error;
      const { tunnel } = this.connection;
      const why = tunnel.state === "connecting" ? tunnel.why : "";
      throw new Failure("timeout", `the gateway can't be reached through the API server: ${why}`, {
        hint: "pmz agent status shows how it is; may you port-forward in the namespace pmz?",
        cause: error,
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
    const left = await this.intercepts.end();
    await this.connection[Symbol.asyncDispose]();
    return left;
  }
}
