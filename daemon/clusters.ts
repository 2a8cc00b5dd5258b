import type {
  ClusterChoice,
  CustomName,
  DownResult,
  InterceptEntry,
  NameEntry,
  ServiceEntry,
  Status,
} from "../wire/control.ts";
import { ClusterConnection } from "./cluster/connection.ts";
import { serviceEntries } from "./cluster/entries.ts";
import { nameEntries } from "./cluster/name_entries.ts";
import { LaptopSide } from "./capture/laptop_side.ts";
import { Connected } from "./connected.ts";
import type { Reporter } from "./control/progress.ts";
import type { DaemonParts } from "./parts.ts";
import type { DataCalls, MainCalls } from "./data/protocol.ts";
import { Failure } from "./failure.ts";
import { openWorker } from "./workers.ts";
import type { Channel } from "./worker_channel.ts";

/**
 * The clusters that are connected, and the laptop's side that they share: the data worker, the helper's captures and
 * names, the proxy.
 */
export class Clusters implements AsyncDisposable {
  readonly #parts: DaemonParts;
  readonly #custom: () => readonly CustomName[];
  readonly #connected = new Map<string, Connected>();
  readonly #worker: Disposable & { channel: Channel<MainCalls, DataCalls> };
  #laptop: LaptopSide | undefined;
  #proxy: string | undefined;

  constructor(parts: DaemonParts, custom: () => readonly CustomName[]) {
    this.#parts = parts;
    this.#custom = custom;
    const answers: MainCalls = {
      gateway: (cluster) => this.get(cluster).connection.gatewayPlace(),
      agent: ({ cluster, agent }) => this.get(cluster).connection.agentPlace(agent),
      prove: ({ cluster, agent, challenge }) => this.get(cluster).intercepts.prove(agent, challenge),
      tunnel: (news) => this.#connected.get(news.cluster)?.tunnelNews(news),
      log: ({ message, fields }) => parts.log(message, fields),
    };
    this.#worker = openWorker<MainCalls, DataCalls>(parts.startWorker, "data", answers, (error) => {
      parts.log("the data worker failed; the daemon ends, and with it everything that it holds", { error });
      parts.ended();
    });
  }

  get all(): Connected[] {
    return [...this.#connected.values()];
  }

  get data(): Channel<MainCalls, DataCalls> {
    return this.#worker.channel;
  }

  get laptop(): LaptopSide | undefined {
    return this.#laptop;
  }

  /** @throws {Failure} `not-up` when it isn't connected. */
  get(id: string): Connected {
    const found = this.#connected.get(id);
    if (found) return found;
    const there = this.all.map((one) => one.id).join(", ");
    throw new Failure("not-up", `not connected to ${id}`, {
      hint: there ? `connected: ${there}` : "run `pmz up` first",
    });
  }

  /** The cluster of a choice: the one that's connected already, or a new one. */
  async open(choice: ClusterChoice): Promise<{ connected: Connected; isNew: boolean }> {
    if (choice.context === undefined && choice.kubeconfig === undefined) {
      const [only, ...others] = this.all;
      if (only && others.length === 0) return { connected: only, isNew: false };
    }
    const there = choice.context === undefined ? undefined : this.#connected.get(choice.context);
    if (there) return { connected: there, isNew: false };
    const connection = await ClusterConnection.open(choice, this.#parts.log);
    const same = this.#connected.get(connection.id);
    if (same) {
      await connection[Symbol.asyncDispose]();
      return { connected: same, isNew: false };
    }
    const connected = new Connected(
      connection,
      this.data,
      this.#parts.log,
      (cluster) => this.#publish(cluster),
    );
    this.#connected.set(connected.id, connected);
    try {
      await connected.discover();
      return { connected, isNew: true };
    } catch (error) {
      await this.#drop(connected);
      throw error;
    }
  }

  /** Starts the laptop's side, if it isn't there, and captures what the clusters want. */
  async capture(): Promise<LaptopSide> {
    this.#laptop ??= await LaptopSide.start(this.data, () => {
      this.#parts.log("the root helper is gone: nothing is captured any more");
      const lost = this.#laptop;
      this.#laptop = undefined;
      void lost?.[Symbol.asyncDispose]();
    });
    const laptop = this.#laptop;
    for (const cluster of this.all) {
      if (cluster.connection.mode === "capture") await laptop.capture(cluster.id, cluster.addresses);
    }
    return laptop;
  }

  async captureNames(): Promise<void> {
    await this.#laptop?.startNames(this.#parts.startWorker, this.#parts.log);
    await this.#laptop?.setCustom(this.#custom());
    for (const cluster of this.all) {
      if (cluster.connection.mode === "capture") await this.#laptop?.setZone(cluster.zone);
    }
  }

  /** Serves the proxy; its address. @throws {Failure} `conflict` when the port is taken. */
  async proxy(port: number): Promise<string> {
    try {
      return this.#proxy ??= await this.data.call("proxy", port);
    } catch (cause) {
      throw new Failure("conflict", `the proxy can't listen on port ${port} of 127.0.0.1`, {
        hint: "choose another: pmz up --proxy=PORT",
        cause,
      });
    }
  }

  /** What has changed in a cluster goes to whoever answers for it. Failures are the helper's or a worker's end: told there. */
  #publish(cluster: Connected): void {
    const quiet = (error: unknown) =>
      this.#parts.log("a change of the cluster could not be passed on", { cluster: cluster.id, error });
    const addresses = new Map([...cluster.addresses.keys()].map((address) => [address, address]));
    this.data.call("addresses", { cluster: cluster.id, addresses }).catch(quiet);
    this.data.call("zone", cluster.zone).catch(quiet);
    if (cluster.connection.mode !== "capture") return;
    this.#laptop?.capture(cluster.id, cluster.addresses).catch(quiet);
    this.#laptop?.setZone(cluster.zone).catch(quiet);
  }

  async publishCustom(): Promise<void> {
    await this.data.call("custom", this.#custom());
    await this.#laptop?.setCustom(this.#custom());
  }

  /** Disconnects one cluster; what is left of it, in words. */
  async remove(id: string, report: Reporter): Promise<string[]> {
    if (this.#connected.size === 1) return await this.removeAll(report);
    await report.step(`Disconnect ${id}`, () => this.#drop(this.get(id)));
    return [];
  }

  /** Disconnects all clusters and gives the laptop back as it was; what is left, in words. */
  async removeAll(report: Reporter): Promise<string[]> {
    const left: string[] = [];
    for (const cluster of this.all) await report.step(`Disconnect ${cluster.id}`, () => this.#drop(cluster));
    const laptop = this.#laptop;
    this.#laptop = undefined;
    if (laptop) {
      await report.step("Network", async () => {
        await laptop[Symbol.asyncDispose]();
        left.push(...await laptop.left());
      });
    }
    if (this.#proxy) await this.data.call("unproxy", null);
    this.#proxy = undefined;
    return left;
  }

  async #drop(cluster: Connected): Promise<void> {
    this.#connected.delete(cluster.id);
    await this.#laptop?.remove(cluster.id);
    await cluster[Symbol.asyncDispose]();
  }

  services(): ServiceEntry[] {
    return this.all.flatMap((cluster) => {
      const intercepts = cluster.intercepts.entries([]).map(({ entry }) => entry);
      const topology = cluster.connection.topology;
      return serviceEntries(
        cluster.id,
        topology,
        cluster.zone.services,
        (namespace, service) =>
          intercepts.find((one) => one.namespace === namespace && one.service === service)?.id,
      );
    });
  }

  names(): NameEntry[] {
    return nameEntries(this.all.map((cluster) => cluster.zone), this.#custom());
  }

  /** The cluster of a custom name's Service. @throws {Failure} `not-found`, `not-up` */
  find(name: CustomName): Connected {
    if (this.all.length === 0) {
      throw new Failure("not-up", "no cluster is connected", { hint: "run `pmz up` first" });
    }
    const clusters = name.context === undefined ? this.all : [this.get(name.context)];
    const found = clusters.find((cluster) =>
      cluster.connection.topology.services.has(`${name.namespace}/${name.service}`)
    );
    if (found) return found;
    throw new Failure("not-found", `there is no Service ${name.service} in the namespace ${name.namespace}`, {
      hint: "pmz services -A shows all",
    });
  }

  async intercepts(): Promise<InterceptEntry[]> {
    const entries = await Promise.all(this.all.map(async (cluster) => {
      const { rules } = await this.data.call("counts", cluster.id);
      return cluster.intercepts.entries(rules).map(({ entry }) => entry);
    }));
    return entries.flat();
  }

  async status(): Promise<Pick<Status, "clusters" | "helper" | "proxy" | "intercepts">> {
    const clusters = await Promise.all(this.all.map(async ({ id, connection }) => {
      const { openStreams, roundTripMs } = await this.data.call("counts", id);
      return {
        cluster: connection.name,
        mode: connection.mode,
        tunnel: connection.tunnel,
        ...(roundTripMs === null ? {} : { roundTripMs: Math.round(roundTripMs * 10) / 10 }),
        services: connection.topology.services.size,
        openStreams,
        limits: connection.limits,
      };
    }));
    const laptop = this.#laptop;
    return {
      clusters,
      helper: laptop
        ? { state: "connected", address: laptop.address, routes: laptop.routes }
        : { state: "none" },
      ...(this.#proxy ? { proxy: this.#proxy } : {}),
      intercepts: await this.intercepts(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const silent: Reporter = { step: (_, work) => work(() => {}), warn() {} };
    const left: DownResult["left"] = await this.removeAll(silent);
    for (const what of left) this.#parts.log(`left behind: ${what}`);
    this.#worker[Symbol.dispose]();
  }
}
