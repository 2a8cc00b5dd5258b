import { ClusterConnection } from "./cluster/connection.ts";
import { capturedAddresses } from "./cluster/topology.ts";
import { zoneData } from "./cluster/zone_data.ts";
import type { DataCalls, MainCalls, TunnelNews } from "./data/protocol.ts";
import { Failure } from "./failure.ts";
import { ClusterIntercepts } from "./intercepts/cluster_intercepts.ts";
import type { Log } from "./log.ts";
import type { ZoneData } from "./names/zone_data.ts";
import type { CapturedPorts } from "../wire/helper.ts";
import type { Channel } from "./worker_channel.ts";

/** The tunnel has this long to be there for the first time, in milliseconds. */
const TUNNEL_TIMEOUT_MS = 30_000;

/** One connected cluster: its connection, and what this laptop intercepts there. */
export class Connected implements AsyncDisposable {
  readonly connection: ClusterConnection;
  readonly intercepts: ClusterIntercepts;
  readonly #data: Channel<MainCalls, DataCalls>;
  readonly #published: (cluster: Connected) => void;
  #tunnelUp = Promise.withResolvers<void>();
  #reaching = false;
  zone: ZoneData;
  addresses: ReadonlyMap<string, CapturedPorts> = new Map();

  constructor(
    connection: ClusterConnection,
    data: Channel<MainCalls, DataCalls>,
    log: Log,
    published: (cluster: Connected) => void,
  ) {
    this.connection = connection;
    this.#data = data;
    this.#published = published;
    this.zone = zoneData(connection.name, { services: new Map(), pods: new Map() });
    this.intercepts = new ClusterIntercepts(connection, log, ({ targets, agents }) => {
      void data.call("intercepts", { cluster: this.id, targets });
      void data.call("agents", { cluster: this.id, agents });
    });
  }

  get id(): string {
    return this.connection.id;
  }

  /** Learns what the cluster has, and follows it. */
  async discover(): Promise<void> {
    await this.#data.call("connect", this.id);
    await this.connection.discover(() => this.#changed());
    this.#changed();
  }

  #changed(): void {
    const { topology } = this.connection;
    this.addresses = capturedAddresses(topology);
    this.zone = zoneData(this.connection.name, topology);
    this.intercepts.changed();
    this.#published(this);
  }

  /** Has the tunnel to the gateway dialled, and waits until it's there. @throws {Failure} `timeout`, with the reason. */
  async reach(detail: (text: string) => void, signal: AbortSignal): Promise<void> {
    await this.connection.gateways().ready;
    if (!this.#reaching) await this.#data.call("reach", this.id);
    this.#reaching = true;
    const failed = Promise.withResolvers<never>();
    const stop = () => failed.reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    const timer = setTimeout(() => {
      const { tunnel } = this.connection;
      const why = tunnel.state === "connecting" ? tunnel.why : "";
      failed.reject(
        new Failure("timeout", `the gateway can't be reached through the API server: ${why}`, {
          hint: "pmz agent status shows how it is; may you port-forward in the namespace pmz?",
        }),
      );
    }, TUNNEL_TIMEOUT_MS);
    detail("waiting for the gateway");
    try {
      await Promise.race([this.#tunnelUp.promise, failed.promise]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  tunnelNews(news: TunnelNews): void {
    this.connection.tunnelNews(news);
    if (news.state === "connected") this.#tunnelUp.resolve();
    else this.#tunnelUp = renewed(this.#tunnelUp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.intercepts[Symbol.asyncDispose]();
    await this.#data.call("disconnect", this.id).catch(() => {}); // the worker is gone, and its tunnels with it
    await this.connection[Symbol.asyncDispose]();
  }
}

/** A promise to wait for anew; who waits for the first one still gets it. */
function renewed(before: PromiseWithResolvers<void>): PromiseWithResolvers<void> {
  const next = Promise.withResolvers<void>();
  void next.promise.then(before.resolve);
  return next;
}
