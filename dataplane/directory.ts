import { parseAddress } from "../net/address.ts";
import { Zone } from "../names/zone/zone.ts";
import type { CustomDomain, ZoneChange, ZoneData } from "../names/zone/zone_data.ts";
import type { AddressChange, ClusterTarget } from "./protocol.ts";

/** A name in no cluster, to which an ExternalName of one leads. */
export interface OutsideName {
  readonly cluster: string;
  readonly outside: string;
}

/** Which cluster an address or a name belongs to, and what the cluster itself calls it. */
export class Directory {
  /** In the order in which the clusters were added. */
  readonly #addresses = new Map<string, Map<string, string>>();
  /** By the virtual address. */
  readonly #virtual = new Map<string, Required<ClusterTarget>>();
  /** In the order in which they were captured, which is the order of the helper's routes. */
  readonly #captured = new Set<string>();
  readonly #zone = new Zone({
    isReached: (cluster, address) => this.#addresses.get(cluster)?.has(address) ?? false,
  });

  add(cluster: string): void {
    if (!this.#addresses.has(cluster)) this.#addresses.set(cluster, new Map());
  }

  /** Without effect on a cluster that was not added. */
  changeAddresses({ cluster, added, removed, areVirtual }: AddressChange): void {
    const addresses = this.#addresses.get(cluster);
    if (areVirtual) {
      for (const virtual of removed) this.#deleteVirtual(cluster, virtual);
      if (!addresses) return;
      for (const [virtual, address] of added) this.#virtual.set(virtual, { cluster, address, virtual });
      return;
    }
    for (const address of removed) addresses?.delete(address);
    for (const [address, own] of added) addresses?.set(address, own);
  }

  #deleteVirtual(cluster: string, virtual: string): void {
    if (this.#virtual.get(virtual)?.cluster === cluster) this.#virtual.delete(virtual);
  }

  setCaptured(cluster: string, isCaptured: boolean): void {
    if (isCaptured) this.#captured.add(cluster);
    else this.#captured.delete(cluster);
  }

  setZone(zone: ZoneData): void {
    this.#zone.set(zone);
  }

  changeNames(change: ZoneChange): void {
    this.#zone.change(change);
  }

  /** Forgets the names of all clusters; the user's own domains stay. */
  forgetNames(): void {
    this.#zone.clear();
  }

  setCustom(domains: readonly CustomDomain[]): void {
    this.#zone.setCustom(domains);
  }

  delete(cluster: string): void {
    this.#addresses.delete(cluster);
    for (const virtual of this.#virtual.keys()) this.#deleteVirtual(cluster, virtual);
    this.#captured.delete(cluster);
    this.#zone.delete(cluster);
  }

  /** By a captured address; undefined when no captured cluster has it any longer. */
  byCapturedAddress(address: string): ClusterTarget | undefined {
    const virtual = this.#virtual.get(address);
    if (virtual) return this.#captured.has(virtual.cluster) ? virtual : undefined;
    return this.#firstWith(address, this.#captured);
  }

  /** What the cluster itself calls an address that the laptop's programs dial for it. */
  ownAddress(cluster: string, address: string): string {
    const virtual = this.#virtual.get(address);
    return virtual?.cluster === cluster
      ? virtual.address
      : this.#addresses.get(cluster)?.get(address) ?? address;
  }

  #firstWith(address: string, clusters: Iterable<string>): ClusterTarget | undefined {
    for (const cluster of clusters) {
      const own = this.#addresses.get(cluster)?.get(address);
      if (own !== undefined) return { cluster, address: own };
    }
    return undefined;
  }

  /** By a name or an address, as a proxy's client gives it. What an ExternalName leads to outside is `outside`. */
  byHost(host: string): ClusterTarget | OutsideName | undefined {
    const address = parseAddress(host);
    if (address) {
      return this.#virtual.get(address.text) ?? this.#firstWith(address.text, this.#addresses.keys());
    }
    const located = this.#zone.locate(host);
    if (!located || "outside" in located) return located;
    const [first] = located.addresses;
    if (!first) return undefined;
    const own = this.#addresses.get(located.cluster)?.get(first.text) ?? first.text;
    return { cluster: located.cluster, address: own };
  }

  /** Why a host that is an ExternalName's leads nowhere; undefined for any other. */
  whyNowhere(host: string): string | undefined {
    return this.#zone.whyNowhere(host);
  }
}
