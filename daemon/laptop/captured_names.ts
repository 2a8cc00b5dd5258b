import { unlessAborted } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";
import type { CapturedChange } from "../../names/captured_addresses.ts";
import type { LeftOut, NamesStats } from "../../names/protocol.ts";
import type { CustomDomain, ServiceNames, ZoneData } from "../../names/zone/zone_data.ts";
import { KeptNames } from "./kept_names.ts";
import { type LaptopCluster, zoneChange } from "./laptop_cluster.ts";
import { NameCapture, type NameCaptureParts } from "./name_capture.ts";
import { reachableNames } from "./reachable_names.ts";
import type { RouteProgrammer } from "./route_programmer.ts";

/** Milliseconds that the names worker has for an answer to the daemon. */
const SILENT_MS = 2_000;

/** Where names lead. */
export interface NamedAddresses {
  readonly clusters: ReadonlyMap<string, LaptopCluster>;
  readonly routes: Pick<RouteProgrammer, "captured" | "leadsTo">;
  /** The address by which programs reach a cluster's; undefined where they don't. */
  reachedAt(cluster: string, address: string): string | undefined;
}

/** The names that lead to captured addresses: answered by a worker, which is told what changes once it has been started. */
export class CapturedNames implements AsyncDisposable {
  readonly #of: NamedAddresses;
  #names: KeptNames<NameCapture> | undefined;
  #isSilent = false;
  #custom: readonly CustomDomain[] = [];
  #allowed: readonly string[] = [];

  constructor(of: NamedAddresses) {
    this.#of = of;
  }

  /** Takes the user's DNS queries, if that isn't so already, and answers for the clusters that are captured. */
  async start(parts: Omit<NameCaptureParts, "failed">): Promise<void> {
    if (this.#names) return;
    const names = this.#names = new KeptNames({
      open: (failed) => NameCapture.start({ ...parts, failed }),
      fill: (names) => this.#fill(names),
      log: parts.log,
    });
    try {
      await names.start();
    } catch (error) {
      this.#names = undefined;
      throw error;
    }
  }

  get #current(): NameCapture | undefined {
    return this.#names?.current;
  }

  /** Tells the names worker all that it has to know. */
  async #fill(names: NameCapture): Promise<void> {
    await names.changeCaptured(this.#capturedAmong(this.#of.routes.captured));
    for (const cluster of this.#of.clusters.values()) await names.setZone(this.#zoneOf(cluster));
    await names.setCustom(this.#custom);
    await names.allow(this.#allowed);
  }

  /** Why names aren't answered, though they should be; undefined otherwise. */
  get problem(): string | undefined {
    return this.#names?.problem ?? (this.#isSilent ? "the names worker doesn't answer" : undefined);
  }

  /** The DNS stub that programs' questions don't get to on this machine; undefined where all are reached, or pmz has no stub. */
  async unreachedStub(): Promise<string | undefined> {
    return await this.#current?.unreachedStub();
  }

  /** Counts of the names worker; undefined while it doesn't run. */
  async stats(): Promise<NamesStats | undefined> {
    return await this.#answered((names) => names.stats());
  }

  /** What the names of ExternalNames would lead to and don't; nothing while names aren't answered. */
  async leftOut(names: readonly string[]): Promise<readonly LeftOut[]> {
    return await this.#answered((worker) => worker.leftOut(names)) ?? [];
  }

  /** What the names worker answers; undefined while it doesn't run, or is silent. */
  async #answered<T>(ask: (names: NameCapture) => Promise<T>): Promise<T | undefined> {
    const names = this.#current;
    if (!names) return undefined;
    using limit = new TimeLimit(SILENT_MS);
    try {
      const answer = await unlessAborted(ask(names), limit.signal);
      this.#isSilent = false;
      return answer;
    } catch {
      this.#isSilent = limit.signal.aborted; // else it died just now
      return undefined;
    }
  }

  async setCustom(domains: readonly CustomDomain[]): Promise<void> {
    this.#custom = domains;
    await this.#current?.setCustom(domains);
  }

  /** Replaces the domains of the internet whose names may lead to captured addresses. */
  async allow(domains: readonly string[]): Promise<void> {
    this.#allowed = domains;
    await this.#current?.allow(domains);
  }

  /** Tells of a whole cluster. */
  async setZone(cluster: LaptopCluster): Promise<void> {
    await this.#current?.setZone(this.#zoneOf(cluster));
  }

  async removeZone(cluster: string): Promise<void> {
    await this.#current?.removeZone(cluster);
  }

  /** Tells of Services of one cluster, and of those of any cluster that have one of these addresses. */
  async change(
    addresses: ReadonlySet<string>,
    changed?: string,
    services: ReadonlySet<string> = new Set(),
  ): Promise<void> {
    const names = this.#current;
    if (!names) return; // they are told all of it once they are there
    if (addresses.size > 0) await names.changeCaptured(this.#capturedAmong(addresses));
    for (const cluster of this.#of.clusters.values()) {
      const { id, index } = cluster;
      const keys = new Set(id === changed ? services : []);
      for (const address of addresses) for (const key of index.servicesAt(address)) keys.add(key);
      if (keys.size === 0) continue;
      await names.changeZone(zoneChange(cluster, keys, (service) => this.namesOf(id, service)));
    }
  }

  /** A Service as its names answer: with the addresses by which it is reached. */
  namesOf(cluster: string, service: ServiceNames): ServiceNames {
    return reachableNames(service, (address) => this.#of.reachedAt(cluster, address));
  }

  #zoneOf({ id, zone, index: { services } }: LaptopCluster): ZoneData {
    return { ...zone, services: [...services.values()].map((service) => this.namesOf(id, service)) };
  }

  #capturedAmong(addresses: Iterable<string>): CapturedChange {
    const added = new Map<string, string>();
    const removed: string[] = [];
    for (const address of addresses) {
      const cluster = this.#of.routes.leadsTo(address);
      if (cluster === undefined) removed.push(address);
      else added.set(address, cluster);
    }
    return { added, removed };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#names?.[Symbol.asyncDispose]();
  }
}
