/** Addresses to which no cluster's name may lead: special ones, the machine itself, and what is on its own networks. */
import type { IpAddress } from "../net/address.ts";
import { ownInterfaces } from "../net/own_interfaces.ts";
import { contains, parseRange, type Range } from "../net/range.ts";
import { whyRefused } from "../net/special_ranges.ts";

/** An interface's address as Deno.networkInterfaces gives it. */
export interface InterfaceAddress {
  /** "192.0.2.2/24" */
  readonly cidr: string;
}

/** Milliseconds for which the interfaces are not read again; short, since another Wi-Fi is another network. */
const FRESH_MS = 200;

export class OwnNetworks {
  readonly #read: () => readonly InterfaceAddress[];
  readonly #now: () => number;
  #networks: readonly Range[] = [];
  #readAt = -Infinity;

  constructor(
    read: () => readonly InterfaceAddress[] = ownInterfaces,
    now: () => number = () => performance.now(),
  ) {
    this.#read = read;
    this.#now = now;
  }

  /** Whether the address is in a special range (net/special_ranges.ts), the machine's own, or on one of its networks. */
  forbids(address: IpAddress): boolean {
    return this.why(address) !== undefined;
  }

  /** Why no cluster's name may lead to an address: what it is; undefined when one may. */
  why(address: IpAddress): string | undefined {
    const special = whyRefused("names", address);
    if (special !== undefined) return special;
    if (this.#now() - this.#readAt > FRESH_MS) {
      this.#networks = this.#read().flatMap(({ cidr }) => parseNetwork(cidr) ?? []);
      this.#readAt = this.#now();
    }
    const network = this.#networks.find((network) => contains(network, address));
    return network && `in ${network.text}, a network of this machine`;
  }
}

/** An interface's network; undefined for a length of 0, which would be everything. */
function parseNetwork(cidr: string): Range | undefined {
  const range = parseRange(cidr);
  return range?.text.endsWith("/0") ? undefined : range;
}
