import type { CustomName, Mode } from "../../wire/control.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import { LaptopSide } from "./host_capture.ts";
import type { DataPlane } from "../../dataplane/plane.ts";
import { Failure } from "../failure.ts";
import type { ZoneData } from "../../names/zone/zone_data.ts";
import type { DaemonParts } from "../parts.ts";

/** A connected cluster, as far as the laptop's side needs it. */
export interface LaptopCluster {
  readonly id: string;
  readonly connection: { readonly mode: Mode };
  readonly addresses: ReadonlyMap<string, CapturedPorts>;
  readonly zone: ZoneData;
}

/** What an `up` has found of the laptop's side: what it undoes stays as it was. */
export interface LaptopBefore {
  readonly captured: boolean;
  readonly proxy: boolean;
}

/** The data plane, as far as the laptop's side goes. */
type LaptopData = Pick<
  DataPlane,
  "listen" | "unlisten" | "changeAddresses" | "setZone" | "setCustomDomains" | "serveProxy" | "endProxy"
>;
type LaptopParts = Pick<DaemonParts, "helperSocket" | "startWorker" | "log">;

/** The laptop's side, which all clusters share: what the helper captures, the names, the proxy. Each is there when it was asked for. */
export class Laptop {
  readonly #parts: LaptopParts;
  readonly #data: LaptopData;
  /** The addresses that the data plane knows of a cluster. */
  readonly #published = new WeakMap<LaptopCluster, ReadonlySet<string>>();
  readonly #clusters: () => readonly LaptopCluster[];
  readonly #custom: () => readonly CustomName[];
  #side: LaptopSide | undefined;
  #proxy: string | undefined;

  /** @param clusters those that are connected @param custom the user's own domains */
  constructor(
    parts: LaptopParts,
    data: LaptopData,
    clusters: () => readonly LaptopCluster[],
    custom: () => readonly CustomName[],
  ) {
    this.#parts = parts;
    this.#data = data;
    this.#clusters = clusters;
    this.#custom = custom;
  }

  /** The helper's side, while it's connected. */
  get side(): LaptopSide | undefined {
    return this.#side;
  }

  /** "127.0.0.1:1080", while it's served. */
  get proxyAddress(): string | undefined {
    return this.#proxy;
  }

  /** Captures what the clusters want. @throws {Failure} `helper` */
  async capture(): Promise<LaptopSide> {
    const side = this.#side ?? await LaptopSide.start(this.#data, this.#parts.helperSocket);
    if (this.#side !== side) {
      this.#side = side;
      side.lost.then(() => this.#lost(side));
    }
    for (const cluster of this.#captured()) await side.capture(cluster.id, cluster.addresses);
    return side;
  }

  /** Takes the user's DNS queries. @throws {Failure} `helper` */
  async captureNames(): Promise<void> {
    await this.#side?.startNames(this.#parts.startWorker, this.#parts.log);
    await this.#side?.setCustom(this.#custom());
    for (const cluster of this.#captured()) await this.#side?.setZone(cluster.zone);
  }

  #captured(): LaptopCluster[] {
    return this.#clusters().filter(({ connection }) => connection.mode === "capture");
  }

  /** The helper is gone: by itself, or because it was let go. */
  #lost(side: LaptopSide): void {
    if (this.#side !== side) return;
    this.#side = undefined;
    this.#parts.log("warn", "the root helper is gone: nothing is captured any more");
    const failed = (error: unknown) => this.#parts.log("warn", "the laptop's side can't be ended", { error });
    side[Symbol.asyncDispose]().catch(failed);
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
      return this.#proxy ??= await this.#data.serveProxy(port);
    } catch (cause) {
      throw new Failure("conflict", `the proxy can't listen on port ${port} of 127.0.0.1`, {
        hint: "choose another: pmz up --proxy=PORT",
        cause,
      });
    }
  }

  /** What has changed in a cluster goes to whoever answers for it. Failures are the helper's or a worker's end: told there. */
  publish(cluster: LaptopCluster): void {
    const quiet = (error: unknown) =>
      this.#parts.log("warn", "a change of the cluster could not be passed on", {
        cluster: cluster.id,
        error,
      });
    // An intercept-only cluster publishes no addresses: it must not shadow another cluster with the same ranges.
    const reached = cluster.connection.mode !== "intercept";
    const addresses = new Set(reached ? cluster.addresses.keys() : []);
    const before = this.#published.get(cluster) ?? new Set();
    this.#published.set(cluster, addresses);
    this.#data.changeAddresses({
      cluster: cluster.id,
      added: new Map([...addresses.difference(before)].map((address) => [address, address])),
      removed: [...before.difference(addresses)],
    }).catch(quiet);
    this.#data.setZone(reached ? cluster.zone : { ...cluster.zone, services: [] }).catch(quiet);
    if (cluster.connection.mode !== "capture") return;
    this.#side?.capture(cluster.id, cluster.addresses).catch(quiet);
    this.#side?.setZone(cluster.zone).catch(quiet);
  }

  async publishCustom(): Promise<void> {
    await this.#data.setCustomDomains(this.#custom());
    await this.#side?.setCustom(this.#custom());
  }

  /** What there is for a cluster, to come back to with `release`. */
  before(cluster: LaptopCluster): LaptopBefore {
    return { captured: cluster.connection.mode === "capture", proxy: this.#proxy !== undefined };
  }

  /** Lets go of what wasn't there before, of a cluster that stays. */
  async release(cluster: LaptopCluster, before: LaptopBefore): Promise<void> {
    this.publish(cluster);
    if (!before.proxy) await this.endProxy();
    if (before.captured) return;
    await this.remove(cluster.id);
    if (this.#captured().length === 0) await this.endCapture();
  }

  /** Nothing of a cluster is captured any more. */
  async remove(cluster: string): Promise<void> {
    await this.#side?.remove(cluster);
  }

  /** Lets the helper go; what it left behind, in words. */
  async endCapture(): Promise<string[]> {
    const side = this.#side;
    this.#side = undefined;
    await side?.[Symbol.asyncDispose]();
    return await side?.left() ?? [];
  }

  async endProxy(): Promise<void> {
    const there = this.#proxy;
    this.#proxy = undefined;
    if (there) await this.#data.endProxy();
  }
}
