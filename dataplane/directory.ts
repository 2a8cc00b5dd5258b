import { parseAddress } from "../net/address.ts";
import { Zone } from "../names/zone/zone.ts";
import type { CustomDomain, ZoneChange, ZoneData } from "../names/zone/zone_data.ts";
import type { AddressChange, Target } from "./protocol.ts";

/** Which cluster an address or a name belongs to, and what the cluster itself calls it. */
export class Directory {
  /** In the order in which the clusters were added. */
  readonly #addresses = new Map<string, Map<string, string>>();
  readonly #zone = new Zone();

  add(cluster: string): void {
    if (!this.#addresses.has(cluster)) this.#addresses.set(cluster, new Map());
  }

  /** Without effect on a cluster that was not added. */
  changeAddresses({ cluster, added, removed }: AddressChange): void {
    const addresses = this.#addresses.get(cluster);
    for (const address of removed) addresses?.delete(address);
    for (const [address, own] of added) addresses?.set(address, own);
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
    this.#zone.delete(cluster);
  }

  /** By a captured address; undefined when no cluster has it (any more). */
  byAddress(address: string): Target | undefined {
    for (const [cluster, addresses] of this.#addresses) {
      const own = addresses.get(address);
      if (own !== undefined) return { cluster, address: own };
    }
    return undefined;
  }

  /** By a name or an address, as a proxy's client gives it. */
  byHost(host: string): Target | undefined {
    const address = parseAddress(host);
    if (address) return this.byAddress(address.text);
    const located = this.#zone.locate(host);
    const [first] = located?.addresses ?? [];
    if (!located || !first) return undefined;
    const own = this.#addresses.get(located.cluster)?.get(first.text) ?? first.text;
    return { cluster: located.cluster, address: own };
  }
}
