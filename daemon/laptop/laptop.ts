import type { CustomName, Mode } from "../../wire/control.ts";
import type { UnreachableAddress } from "../../wire/unreachable.ts";
import type { VirtualAddress } from "../../wire/virtual.ts";
import type { DataPlane } from "../../dataplane/plane.ts";
import type { NamesStats } from "../../names/protocol.ts";
import { Zone } from "../../names/zone/zone.ts";
import type { ServiceNames } from "../../names/zone/zone_data.ts";
import { Failure } from "../failure.ts";
import type { DaemonParts } from "../parts.ts";
import { ClaimedHelper, type HelperClaim } from "./helper_claim.ts";
import { HelperClient } from "./helper_client.ts";
import { HostCapture } from "./host_capture.ts";
import { connectStarted } from "./started_helper.ts";
import { unreachableOf } from "./unreachable.ts";
import { VirtualAddresses } from "./virtual_addresses.ts";
import { virtualOf } from "./virtual_services.ts";
import { type LaptopChange, type LaptopCluster, zoneChange } from "./laptop_cluster.ts";

/** The state before an `up`, so that one that fails takes back only what it has added. */
export interface LaptopBefore {
  readonly captured: boolean;
  readonly proxy: boolean;
}

/** ExternalNames whose targets are looked up for one list of Services. */
const MOST_ASKED = 50;

/** What the user has said about domains. */
export interface OwnDomains {
  /** Domains that lead to Services. */
  readonly custom: () => readonly CustomName[];
  /** Domains whose names may lead to captured addresses. */
  readonly allowed: () => readonly string[];
}

/** The data plane, as far as the laptop's programs go. */
type LaptopData = Pick<
  DataPlane,
  | "listen"
  | "unlisten"
  | "takesUdp"
  | "carryUdp"
  | "datagrams"
  | "callersClosed"
  | "addRefused"
  | "hideOwn"
  | "changeAddresses"
  | "setCaptured"
  | "setZone"
  | "changeNames"
  | "setCustomDomains"
  | "serveProxy"
  | "endProxy"
>;
type LaptopParts = Pick<DaemonParts, "helperSocket" | "startWorker" | "log">;

/** What the laptop offers its programs, for all clusters: capture by the helper, names, the proxy. Each runs once it was asked for. */
export class Laptop {
  readonly #parts: LaptopParts;
  readonly #data: LaptopData;
  readonly #clusters: () => readonly LaptopCluster[];
  readonly #own: OwnDomains;
  /** Ids of clusters whose addresses the data plane knows. */
  readonly #reached = new Set<string>();
  readonly #claimed: ClaimedHelper;
  /** They stay as they are when the helper is another one. */
  readonly #virtual = new VirtualAddresses();
  #capture: HostCapture | undefined;
  #proxy: string | undefined;

  /** @param clusters those that are connected */
  constructor(
    parts: LaptopParts,
    data: LaptopData,
    clusters: () => readonly LaptopCluster[],
    own: OwnDomains,
  ) {
    this.#parts = parts;
    this.#data = data;
    this.#clusters = clusters;
    this.#own = own;
    this.#claimed = new ClaimedHelper((isStarted) =>
      isStarted ? connectStarted(parts.helperSocket) : HelperClient.connect(parts.helperSocket)
    );
  }

  /** Whether a helper serves this laptop, be it that it captures already or that an `up` is on its way there. */
  get hasHelper(): boolean {
    return this.#capture !== undefined || this.#claimed.isThere;
  }

  /** Claims the helper for an `up`, so that it waits until the addresses are known. Nothing where it captures already. */
  claimHelper(): HelperClaim {
    if (this.#capture) return { ready: Promise.resolve(), [Symbol.dispose]() {} };
    return this.#claimed.claim({ isStarted: true });
  }

  /** Ends a helper that was started for an `up` that doesn't come any more: it would wait for its daemon for a while. */
  async endUnclaimedHelper(): Promise<void> {
    if (this.hasHelper) return;
    using claim = this.#claimed.claim();
    await claim.ready.catch(() => {}); // there is none
  }

  /** Capture by the helper, while that is connected. */
  get hostCapture(): HostCapture | undefined {
    return this.#capture;
  }

  /** "127.0.0.1:1080", while it's served. */
  get proxyAddress(): string | undefined {
    return this.#proxy;
  }

  /** Captures what the clusters have, and puts right what others have changed of it. @throws {Failure} `helper` */
  async capture(): Promise<HostCapture> {
    await this.#capture?.repair();
    const capture = this.#capture ??
      await HostCapture.start(
        this.#data,
        this.#parts.helperSocket,
        this.#parts.log,
        {
          claimed: this.#claimed.take() ?? await connectStarted(this.#parts.helperSocket),
          virtual: this.#virtual,
        },
      );
    if (this.#capture !== capture) {
      this.#capture = capture;
      capture.lost.then(() => this.#lost(capture));
    }
    for (const cluster of this.#captured()) await capture.add(cluster);
    return capture;
  }

  /** Takes the user's DNS queries. @throws {Failure} `helper` */
  async captureNames(): Promise<void> {
    await this.#capture?.startNames(this.#parts.startWorker);
    await this.#capture?.names.setCustom(this.#own.custom());
    await this.publishAllowed();
  }

  /** The other clusters that are captured. */
  capturedBesides(cluster: string): string[] {
    return this.#captured().flatMap(({ id }) => id === cluster ? [] : [id]);
  }

  #captured(): LaptopCluster[] {
    return this.#clusters().filter(({ connection }) => connection.mode === "capture");
  }

  /** The helper is gone, asked to or not. */
  #lost(capture: HostCapture): void {
    if (this.#capture !== capture) return;
    this.#capture = undefined;
    this.#parts.log("warn", "the root helper is gone: nothing is captured any more");
    const failed = (error: unknown) => this.#parts.log("warn", "capture can't be ended", { error });
    capture[Symbol.asyncDispose]().catch(failed);
  }

  /** Serves the proxy; its address. @throws {Failure} `conflict` when the port is taken, or it's served elsewhere. */
  async proxy(port: number): Promise<string> {
    const there = this.#proxy;
    if (there && port !== 0 && !there.endsWith(`:${port}`)) {
      throw new Failure("conflict", `the proxy is served already, on ${there}`, {
        hint: "to have it elsewhere: pmz down, then pmz up --proxy=PORT",
      });
    }
    if (there) return there;
    try {
      this.#proxy = await this.#data.serveProxy(port);
    } catch (cause) {
      throw new Failure("conflict", `the proxy can't listen on port ${port} of 127.0.0.1`, {
        hint: "choose another: pmz up --proxy=PORT",
        cause,
      });
    }
    for (const cluster of this.#clusters()) if (this.#reached.has(cluster.id)) this.#tellZone(cluster);
    return this.#proxy;
  }

  /** Publishes all of a cluster, or takes it back, as its mode has it now. */
  modeChanged(cluster: LaptopCluster): void {
    const { id, index: { addresses } } = cluster;
    // An intercept-only cluster publishes no addresses: it must not shadow another cluster with the same ones.
    const reached = cluster.connection.mode !== "intercept";
    if (reached === this.#reached.has(id)) return;
    if (reached) this.#reached.add(id);
    else this.#reached.delete(id);
    this.#tellAddresses(cluster, addresses.keys());
    if (this.#proxy !== undefined) this.#tellZone(cluster);
  }

  /** Passes on what has changed in a cluster. */
  publish(cluster: LaptopCluster, change: LaptopChange): void {
    if (!this.#reached.has(cluster.id)) return;
    this.#tellAddresses(cluster, change.addresses);
    if (this.#proxy !== undefined) this.#tellServices(cluster, change.services);
    if (cluster.connection.mode !== "capture") return;
    this.#quietly(cluster.id, this.#capture?.change(cluster, change));
  }

  /** Tells the data plane where these addresses lead: it has to know before they are captured. */
  #tellAddresses({ id, index }: LaptopCluster, addresses: Iterable<string>): void {
    const reached = this.#reached.has(id);
    const added = new Map<string, string>();
    const removed: string[] = [];
    for (const address of addresses) {
      if (reached && index.addresses.has(address)) added.set(address, address);
      else removed.push(address);
    }
    this.#quietly(id, this.#data.changeAddresses({ cluster: id, added, removed }));
  }

  /** Tells the data plane all names of a cluster: the proxy looks them up. */
  #tellZone({ id, zone, index }: LaptopCluster): void {
    const services = this.#reached.has(id) ? [...index.services.values()] : [];
    this.#quietly(id, this.#data.setZone({ ...zone, services }));
  }

  #tellServices(cluster: LaptopCluster, keys: ReadonlySet<string>): void {
    if (keys.size === 0) return;
    const change = zoneChange(cluster, keys, (service) => service);
    this.#quietly(cluster.id, this.#data.changeNames(change));
  }

  /** A failure is the end of the helper or of a worker, which is told where it is noticed. */
  #quietly(cluster: string, work: Promise<unknown> | undefined): void {
    work?.catch((error) =>
      this.#parts.log("warn", "a change of the cluster could not be passed on", { cluster, error })
    );
  }

  /**
   * A cluster's Services as their names answer on this laptop.
   * @param mode how they are asked for: a captured cluster may be asked by way of the proxy, too
   */
  namesOf({ id, connection, index }: LaptopCluster, mode: Mode = connection.mode): ServiceNames[] {
    const capture = mode === "capture" ? this.#capture : undefined;
    return [...index.services.values()].map((service) => capture?.names.namesOf(id, service) ?? service);
  }

  /** Addresses of a cluster's Services that this laptop doesn't reach. */
  unreachable(cluster: LaptopCluster, mode: Mode = cluster.connection.mode): UnreachableAddress[] {
    return unreachableOf(
      cluster,
      mode === "capture" ? this.#capture : undefined,
      this.capturedBesides(cluster.id),
    );
  }

  /** Addresses of a cluster's Services that programs of this laptop reach by virtual ones. */
  virtual(cluster: LaptopCluster): VirtualAddress[] {
    if (cluster.connection.mode !== "capture" || !this.#capture) return [];
    return virtualOf(cluster, this.#capture, this.capturedBesides(cluster.id));
  }

  /** Why ExternalNames lead nowhere, or not everywhere that they would in a pod, by "namespace/name". */
  async problems(cluster: LaptopCluster): Promise<ReadonlyMap<string, readonly string[]>> {
    const problems = new Map<string, string[]>();
    const add = (service: string, problem: string) =>
      problems.set(service, [...problems.get(service) ?? [], problem]);
    const asked = new Map<string, string>();
    const aliases = [...cluster.index.services].filter(([, { externalName }]) => externalName !== undefined);
    if (aliases.length === 0) return problems;
    const zone = this.#zoneAround(cluster);
    for (const [key, { namespace, name, externalName = "" }] of aliases) {
      const deadEnd = zone.deadEnd(externalName, cluster.id);
      if (deadEnd !== undefined) add(key, deadEnd);
      else if (asked.size < MOST_ASKED) {
        asked.set(`${name}.${namespace}.svc.${cluster.zone.clusterDomain}`, key);
      }
    }
    const capture = cluster.connection.mode === "capture" ? this.#capture : undefined;
    if (!capture || asked.size === 0) return problems;
    for (const { name, target, addresses, isUnknown } of await capture.names.leftOut([...asked.keys()])) {
      if (isUnknown) add(asked.get(name) ?? name, `this machine's nameserver has no address for ${target}`);
      for (const { address, why } of addresses) {
        add(
          asked.get(name) ?? name,
          `${target} leads to ${address}, which is ${why}: no cluster's name leads there`,
        );
      }
    }
    return problems;
  }

  /** The names that a cluster's ExternalNames may lead to: its own, and those of every cluster that is reached. */
  #zoneAround(cluster: LaptopCluster): Zone {
    const zone = new Zone();
    const others = this.#clusters().filter((one) => one !== cluster && this.#reached.has(one.id));
    for (const { zone: identity, index } of [cluster, ...others]) {
      zone.set({ ...identity, services: [...index.services.values()] });
    }
    zone.setCustom(this.#own.custom());
    return zone;
  }

  /** Counts of the names worker; undefined while no names are captured. */
  async nameStats(): Promise<NamesStats | undefined> {
    return await this.#capture?.names.stats();
  }

  async publishCustom(): Promise<void> {
    await this.#data.setCustomDomains(this.#own.custom());
    await this.#capture?.names.setCustom(this.#own.custom());
  }

  async publishAllowed(): Promise<void> {
    await this.#capture?.names.allow(this.#own.allowed());
  }

  /** Why names aren't answered, though they should be; undefined otherwise. */
  get nameProblem(): string | undefined {
    return this.#capture?.names.problem;
  }

  /** What there is for a cluster, to come back to with `release`. */
  before(cluster: LaptopCluster): LaptopBefore {
    return { captured: cluster.connection.mode === "capture", proxy: this.#proxy !== undefined };
  }

  /** Takes back what wasn't there before, of a cluster that stays connected. */
  async release(cluster: LaptopCluster, before: LaptopBefore): Promise<void> {
    this.modeChanged(cluster);
    if (!before.proxy) await this.endProxy();
    if (before.captured) return;
    await this.remove(cluster.id);
    await this.endUnusedCapture();
  }

  /** Releases the helper where no cluster is captured any longer. @returns what it left behind, in words */
  async endUnusedCapture(): Promise<string[]> {
    return this.#captured().length === 0 ? await this.endCapture() : [];
  }

  /** Captures nothing of a cluster any longer. */
  async remove(cluster: string): Promise<void> {
    await this.#capture?.remove(cluster);
  }

  /** Forgets a cluster that is being disconnected. */
  async forget(cluster: string): Promise<void> {
    this.#reached.delete(cluster);
    await this.remove(cluster);
  }

  /** Releases the helper. @returns what it left behind, in words */
  async endCapture(): Promise<string[]> {
    const capture = this.#capture;
    this.#capture = undefined;
    await capture?.[Symbol.asyncDispose]();
    return await capture?.left() ?? [];
  }

  async endProxy(): Promise<void> {
    const there = this.#proxy;
    this.#proxy = undefined;
    if (there) await this.#data.endProxy();
  }
}
