import type { ClusterChoice, CustomName } from "../wire/control.ts";
import { LaptopSide } from "./capture/laptop_side.ts";
import { ClusterConnection } from "./cluster/connection.ts";
import { Connected } from "./connected.ts";
import type { Reporter } from "./control/progress.ts";
import type { DataCalls, MainCalls } from "./data/protocol.ts";
import { Failure } from "./failure.ts";
import type { DaemonParts } from "./parts.ts";
import type { Channel } from "./worker_channel.ts";
import { openWorker } from "./workers.ts";

/** What of the laptop's side an `up` has found: what it undoes stays as it was. */
export interface LaptopBefore {
  readonly captured: boolean;
  readonly proxy: boolean;
}

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

  /** "127.0.0.1:1080", while it's served. */
  get proxyAddress(): string | undefined {
    return this.#proxy;
  }

  /** The user's own domains. */
  get custom(): readonly CustomName[] {
    return this.#custom();
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

  /** The connected cluster that a choice means, as far as that can be told without its kubeconfig. */
  chosen({ context, kubeconfig }: ClusterChoice): Connected | undefined {
    if (kubeconfig !== undefined) return undefined; // another file may have another cluster by this name
    if (context !== undefined) return this.#connected.get(context);
    return this.all.length === 1 ? this.all[0] : undefined;
  }

  /**
   * The connected cluster that a connection leads to too.
   * @throws {Failure} `conflict` when another cluster is connected by its name.
   */
  sameAs(connection: ClusterConnection): Connected | undefined {
    const there = this.#connected.get(connection.id);
    if (!there || there.connection.isAlike(connection)) return there;
    const { server } = there.connection.name;
    throw new Failure("conflict", `another cluster is connected as ${there.id}: ${server}`, {
      hint: `disconnect it: pmz down --context ${there.id}`,
    });
  }

  /**
   * The cluster of a choice: the one that's connected already, or a new one.
   * @throws {Failure} `conflict` when another cluster is connected by the context's name. @throws the signal's reason
   */
  async open(choice: ClusterChoice, signal: AbortSignal): Promise<{ connected: Connected; isNew: boolean }> {
    const there = this.chosen(choice);
    if (there) return { connected: there, isNew: false };
    const connection = await ClusterConnection.open(choice, this.#parts.log, signal);
    try {
      const same = this.sameAs(connection);
      if (same) {
        await connection[Symbol.asyncDispose]();
        return { connected: same, isNew: false };
      }
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
    const connected = new Connected({
      connection,
      data: this.data,
      log: this.#parts.log,
      changed: (cluster) => this.#publish(cluster),
    });
    this.#connected.set(connected.id, connected);
    try {
      await connected.discover(signal);
      return { connected, isNew: true };
    } catch (error) {
      await this.#drop(connected);
      throw error;
    }
  }

  /** Starts the laptop's side, if it isn't there, and captures what the clusters want. */
  async capture(): Promise<LaptopSide> {
    const laptop = this.#laptop ?? await LaptopSide.start(this.data, this.#parts.helperSocket);
    if (this.#laptop !== laptop) {
      this.#laptop = laptop;
      laptop.lost.then(() => this.#lost(laptop));
    }
    for (const cluster of this.all) {
      if (cluster.connection.mode === "capture") await laptop.capture(cluster.id, cluster.addresses);
    }
    return laptop;
  }

  /** The helper is gone: by itself, or because it was let go. */
  #lost(laptop: LaptopSide): void {
    if (this.#laptop !== laptop) return;
    this.#laptop = undefined;
    this.#parts.log("the root helper is gone: nothing is captured any more");
    const failed = (error: unknown) => this.#parts.log("the laptop's side can't be ended", { error });
    laptop[Symbol.asyncDispose]().catch(failed);
  }

  async captureNames(): Promise<void> {
    await this.#laptop?.startNames(this.#parts.startWorker, this.#parts.log);
    await this.#laptop?.setCustom(this.custom);
    for (const cluster of this.all) {
      if (cluster.connection.mode === "capture") await this.#laptop?.setZone(cluster.zone);
    }
  }

  /** Serves the proxy; its address. @throws {Failure} `conflict` when the port is taken, or it's served elsewhere. */
  async proxy(port: number): Promise<string> {
    const there = this.#proxy;
    if (there && port !== 0 && !there.endsWith(`:${port}`)) {
      throw new Failure("conflict", `the proxy is served already, on ${there}`, {
        hint: "to have it elsewhere: pmz down, then pmz up --proxy=PORT",
      });
    }
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
    if (this.#connected.get(cluster.id) !== cluster) return; // one that is being disconnected
    const quiet = (error: unknown) =>
      this.#parts.log("a change of the cluster could not be passed on", { cluster: cluster.id, error });
    // Of a cluster where only intercepts are wanted nothing is reached: it mustn't stand before one that has the same addresses.
    const reached = cluster.connection.mode !== "intercept";
    const own = reached ? [...cluster.addresses.keys()] : [];
    const addresses = new Map(own.map((address) => [address, address]));
    this.data.call("addresses", { cluster: cluster.id, addresses }).catch(quiet);
    this.data.call("zone", reached ? cluster.zone : { ...cluster.zone, services: [] }).catch(quiet);
    if (cluster.connection.mode !== "capture") return;
    this.#laptop?.capture(cluster.id, cluster.addresses).catch(quiet);
    this.#laptop?.setZone(cluster.zone).catch(quiet);
  }

  async publishCustom(): Promise<void> {
    await this.data.call("custom", this.custom);
    await this.#laptop?.setCustom(this.custom);
  }

  /** The laptop slept, or its network has changed: everything looks at once whether it still lives. */
  reconnect(): void {
    for (const { connection, intercepts } of this.all) {
      connection.reconnect();
      intercepts.renew();
    }
    this.data.call("check", null).catch(() => {}); // the worker is gone: told there
  }

  /** What there is of the laptop's side, for `release`. */
  before(cluster: Connected): LaptopBefore {
    return { captured: cluster.connection.mode === "capture", proxy: this.#proxy !== undefined };
  }

  /** Lets go of what wasn't there before, of a cluster that stays. */
  async release(cluster: Connected, before: LaptopBefore): Promise<void> {
    if (!before.proxy) await this.#endProxy();
    if (before.captured) return;
    await this.#laptop?.remove(cluster.id);
    if (!this.all.some((one) => one.connection.mode === "capture")) await this.#endLaptop();
    cluster.changed();
  }

  /** Disconnects one cluster; what is left of it on the laptop, in words. */
  async remove(id: string, report: Reporter): Promise<string[]> {
    if (this.#connected.size === 1) return await this.removeAll(report);
    const cluster = this.get(id);
    await report.step(`Disconnect ${id}`, () => this.#drop(cluster, report));
    return [];
  }

  /** Disconnects all clusters and gives the laptop back as it was; what is left on the laptop, in words. */
  async removeAll(report: Reporter): Promise<string[]> {
    for (const cluster of this.all) {
      await report.step(`Disconnect ${cluster.id}`, () => this.#drop(cluster, report));
    }
    const left = this.#laptop ? await report.step("Network", () => this.#endLaptop()) : [];
    await this.#endProxy();
    return left;
  }

  /** Never throws: what can't be undone here must not keep the rest. */
  async #drop(cluster: Connected, report?: Reporter): Promise<void> {
    this.#connected.delete(cluster.id);
    const ended = await Promise.allSettled([this.#laptop?.remove(cluster.id), cluster.end()]);
    for (const one of ended) {
      if (one.status === "rejected") {
        this.#parts.log("a cluster can't be left cleanly", { cluster: cluster.id, error: one.reason });
      } else for (const left of one.value ?? []) report?.warn(`still there: ${left}`);
    }
  }

  async #endLaptop(): Promise<string[]> {
    const laptop = this.#laptop;
    this.#laptop = undefined;
    await laptop?.[Symbol.asyncDispose]();
    return await laptop?.left() ?? [];
  }

  async #endProxy(): Promise<void> {
    const there = this.#proxy;
    this.#proxy = undefined;
    if (there) await this.data.call("unproxy", null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const silent: Reporter = { step: (_, work) => work(() => {}), warn() {} };
    try {
      for (const what of await this.removeAll(silent)) this.#parts.log(`left behind: ${what}`);
    } finally {
      this.#worker[Symbol.dispose]();
    }
  }
}
