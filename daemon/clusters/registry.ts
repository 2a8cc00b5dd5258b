import type { Flow } from "../../wire/flow.ts";
import type { ClusterChoice } from "../../wire/control.ts";
import { ClusterApi } from "../discovery/cluster_api.ts";
import { Cluster } from "./cluster.ts";
import type { Reporter } from "../../wire/progress.ts";
import { DataPlane } from "../../dataplane/plane.ts";
import { Failure } from "../failure.ts";
import { namedFlow } from "./flow_names.ts";
import { logAbout } from "../process/log.ts";
import { logFailedFlow } from "../process/failed_flow.ts";
import { whyUnserved } from "../laptop/why_unserved.ts";
import { Laptop, type OwnDomains } from "../laptop/laptop.ts";
import type { AcceptedRanges } from "../accepted_ranges.ts";
import type { DaemonParts } from "../parts.ts";

/** A look at a cluster; `there` when it's connected. */
export interface Looked extends AsyncDisposable {
  readonly connection: ClusterApi;
  readonly there: Cluster | undefined;
}

/** The clusters that are connected, the data plane that carries their bytes, and the laptop's side that they share. */
export class ClusterRegistry implements AsyncDisposable {
  readonly #parts: DaemonParts;
  readonly #connected = new Map<string, Cluster>();
  readonly data: DataPlane;
  readonly laptop: Laptop;
  /** What the user lets pmz capture, by context. */
  readonly accepted: AcceptedRanges;

  constructor(parts: DaemonParts, own: OwnDomains, accepted: AcceptedRanges) {
    this.#parts = parts;
    this.accepted = accepted;
    this.data = new DataPlane({
      startWorker: parts.startWorker,
      gateway: (cluster, after) => this.get(cluster).connection.gatewayPlace(after),
      agent: (cluster, agent, after) => this.get(cluster).connection.agentPlace(agent, after),
      prove: (cluster, agent, challenge) => this.get(cluster).intercepts.prove(agent, challenge),
      whyUnserved: ({ protocol, cluster, address, port }) => {
        const ports = this.#connected.get(cluster)?.index.addresses.get(address);
        return ports && whyUnserved(ports, port, protocol);
      },
      tunnel: (news) => this.#connected.get(news.cluster)?.tunnelNews(news),
      flowFailed: (flow, omitted) => logFailedFlow(parts.log, this.named(flow), omitted),
      log: (message, fields) => parts.log("warn", message, fields),
      died: (error) => {
        parts.log("error", "a data worker failed; the daemon ends, and with it everything that it holds", {
          error,
        });
        parts.ended();
      },
    });
    this.laptop = new Laptop(parts, this.data, () => this.all, own);
  }

  get all(): Cluster[] {
    return [...this.#connected.values()];
  }

  /** The flow with the name of what was dialled. */
  named(flow: Flow): Flow {
    return namedFlow(flow, this.#connected.get(flow.cluster)?.index);
  }

  /** @throws {Failure} `not-up` when it isn't connected. */
  get(id: string): Cluster {
    const found = this.#connected.get(id);
    if (found) return found;
    const there = this.all.map((one) => one.id).join(", ");
    throw new Failure("not-up", `pmz is not connected to ${id}`, {
      hint: there ? `connected: ${there}` : "run: pmz up",
    });
  }

  /** The connected cluster that a choice means, as far as that can be told without its kubeconfig. */
  chosen({ context, kubeconfig }: ClusterChoice): Cluster | undefined {
    if (kubeconfig !== undefined) return undefined; // another file may have another cluster by this name
    if (context !== undefined) return this.#connected.get(context);
    return this.all.length === 1 ? this.all[0] : undefined;
  }

  /**
   * The connected cluster that a connection leads to too. A cluster that was made again by the same name is another one: what is connected
   * by that name doesn't count then.
   * @throws {Failure} `conflict` when another cluster is connected by its name.
   */
  async sameAs(connection: ClusterApi, choice: ClusterChoice): Promise<Cluster | undefined> {
    const there = this.#connected.get(connection.id);
    if (!there) return undefined;
    // The same file may say something else by now: the server has moved.
    if (there.connection.choice.kubeconfig === choice.kubeconfig) await there.connection.reread(choice);
    if (there.connection.isMadeAgain) return undefined;
    if (there.connection.isAlike(connection)) return there;
    const { server } = there.connection.name;
    throw new Failure("conflict", `another cluster is connected as ${there.id}: ${server}`, {
      hint: `disconnect it: pmz down --context ${there.id}`,
    });
  }

  /**
   * The connection that a choice means: that of the cluster that's connected already, or one of its own, until this is
   * disposed. Plans and what is done about agents go by it, so that both are of the same cluster.
   * @throws {KubeconfigError} @throws {ApiError} @throws the signal's reason
   */
  async look(choice: ClusterChoice, signal?: AbortSignal): Promise<Looked> {
    const there = await this.#stillThere(choice);
    if (there) return { connection: there.connection, there, async [Symbol.asyncDispose]() {} };
    const connection = await ClusterApi.open(this.#meant(choice), this.#parts.log, signal);
    return { connection, there, [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose]() };
  }

  /** The connected cluster that a choice means, read again; undefined where it was made again since. */
  async #stillThere(choice: ClusterChoice): Promise<Cluster | undefined> {
    const there = this.chosen(choice);
    await there?.connection.reread(choice);
    return there?.connection.isMadeAgain ? undefined : there;
  }

  /** The choice with the context and the kubeconfig of the connected cluster that it means. */
  #meant(choice: ClusterChoice): ClusterChoice {
    return { ...choice, ...this.chosen(choice)?.connection.choice };
  }

  /**
   * The cluster of a choice: the one that's connected already, or a new one.
   * @throws {Failure} `conflict` when another cluster is connected by the context's name. @throws the signal's reason
   */
  async open(
    choice: ClusterChoice,
    detail: (text: string) => void,
    signal: AbortSignal,
  ): Promise<{ connected: Cluster; isNew: boolean }> {
    const there = await this.#stillThere(choice);
    if (there) return { connected: there, isNew: false };
    const connection = await ClusterApi.open(this.#meant(choice), this.#parts.log, signal);
    try {
      const same = await this.sameAs(connection, choice);
      if (same) {
        await same.connection.reread(choice);
        await connection[Symbol.asyncDispose]();
        return { connected: same, isNew: false };
      }
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
    const old = this.#connected.get(connection.id);
    if (old) await this.#drop(old); // it was made again
    const connected = new Cluster({
      connection,
      data: this.data,
      log: logAbout(this.#parts.log, { cluster: connection.id }),
      acceptedRanges: () => this.accepted.of(connection.id),
      // A change that comes while it's being disconnected must not bring it back.
      changed: (cluster, change) => {
        if (this.#connected.get(cluster.id) === cluster) this.laptop.publish(cluster, change);
      },
    });
    this.#connected.set(connected.id, connected);
    try {
      await connected.discover(detail, signal);
      return { connected, isNew: true };
    } catch (error) {
      await this.#drop(connected);
      throw error;
    }
  }

  /** The laptop slept, or its network has changed: everything looks at once whether it still lives. */
  reconnect(): void {
    for (const { connection, intercepts } of this.all) {
      connection.reconnect();
      intercepts.renew();
    }
    this.data.check().catch(() => {}); // the worker is gone: told there
  }

  /** Disconnects one cluster; what is left of it on the laptop, in words. */
  async remove(id: string, report: Reporter): Promise<string[]> {
    if (this.#connected.size === 1) return await this.removeAll(report);
    const cluster = this.get(id);
    await report.step(`Disconnect ${id}`, () => this.#drop(cluster, report));
    return await this.laptop.endUnusedCapture();
  }

  /** Disconnects all clusters and gives the laptop back as it was; what is left on the laptop, in words. */
  async removeAll(report: Reporter): Promise<string[]> {
    for (const cluster of this.all) {
      await report.step(`Disconnect ${cluster.id}`, () => this.#drop(cluster, report));
    }
    try {
      return this.laptop.hostCapture
        ? await report.step("Restore the network", () => this.laptop.endCapture())
        : [];
    } finally {
      await this.laptop.endProxy(); // its worker's threads have ended then, and the worker can be
    }
  }

  /** Never throws: what can't be undone here must not keep the rest. */
  async #drop(cluster: Cluster, report?: Reporter): Promise<void> {
    this.#connected.delete(cluster.id);
    const ended = await Promise.allSettled([this.laptop.forget(cluster.id), cluster.end()]);
    for (const one of ended) {
      if (one.status === "rejected") {
        this.#parts.log("warn", "a cluster can't be left cleanly", {
          cluster: cluster.id,
          error: one.reason,
        });
      } else for (const left of one.value ?? []) report?.warn(`still there: ${left}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const silent: Reporter = { step: (_, work) => work(() => {}), warn() {} };
    try {
      for (const what of await this.removeAll(silent)) this.#parts.log("warn", `left behind: ${what}`);
    } finally {
      this.data[Symbol.dispose]();
    }
  }
}
