import { parseAddress } from "../net/address.ts";
import { Zone } from "../names/zone/zone.ts";
import type { CustomDomain, ZoneData } from "../names/zone/zone_data.ts";
import type { Target } from "./protocol.ts";

/** Which cluster an address or a name belongs to, and what the cluster itself calls it. */
export class Directory {
  readonly #addresses = new Map<string, ReadonlyMap<string, string>>();
  readonly #zone = new Zone();

  setAddresses(cluster: string, addresses: ReadonlyMap<string, string>): void {
    this.#addresses.set(cluster, addresses);
  }

  setZone(zone: ZoneData): void {
    this.#zone.set(zone);
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
