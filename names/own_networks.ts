/** Addresses to which no cluster's name may lead: the machine itself, and what is on its own networks. */
import type { IpAddress } from "../net/address.ts";
import { contains, parseRange, type Range } from "../net/range.ts";

/** An interface's address as Deno.networkInterfaces gives it. */
export interface InterfaceAddress {
  /** "192.0.2.2/24" */
  readonly cidr: string;
}

/** How long a look at the interfaces holds, in milliseconds: another Wi-Fi is another network. */
const FRESH_MS = 2_000;

export class OwnNetworks {
  readonly #read: () => readonly InterfaceAddress[];
  readonly #now: () => number;
  #networks: readonly Range[] = [];
  #readAt = -Infinity;

  constructor(
    read: () => readonly InterfaceAddress[] = interfaceAddresses,
    now: () => number = () => performance.now(),
  ) {
    this.#read = read;
    this.#now = now;
  }

  /** Whether the address is loopback, link-local, multicast, no host's at all, the machine's own, or on a network of its own. */
  forbids(address: IpAddress): boolean {
    if (never.some((network) => contains(network, address))) return true;
    if (this.#now() - this.#readAt > FRESH_MS) {
      this.#networks = this.#read().flatMap(({ cidr }) => parseNetwork(cidr) ?? []);
      this.#readAt = this.#now();
    }
    return this.#networks.some((network) => contains(network, address));
  }
}

function interfaceAddresses(): readonly InterfaceAddress[] {
  return Deno.networkInterfaces();
}

/** A network that somebody is on: a default route's length (0) is none. */
function parseNetwork(cidr: string): Range | undefined {
  const range = parseRange(cidr);
  return range?.text.endsWith("/0") ? undefined : range;
}

const never = [
  "0.0.0.0/8",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "::/128",
  "::1/128",
  "fe80::/10",
  "ff00::/8",
].flatMap((cidr) => parseNetwork(cidr) ?? []);
