/** Addresses to which no cluster's name may lead: the machine itself, and what is on its own networks. */
import { type IpAddress, parseAddress } from "../../wire/address.ts";

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
  #networks: readonly { readonly bytes: Uint8Array; readonly length: number }[] = [];
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
    if (never.some((network) => contains(network, address.bytes))) return true;
    if (this.#now() - this.#readAt > FRESH_MS) {
      this.#networks = this.#read().flatMap(({ cidr }) => parseNetwork(cidr) ?? []);
      this.#readAt = this.#now();
    }
    return this.#networks.some((network) => contains(network, address.bytes));
  }
}

function interfaceAddresses(): readonly InterfaceAddress[] {
  return Deno.networkInterfaces();
}

/** A network in 16 bytes, IPv4 as v4-mapped; a default route's length (0) is no network that somebody is on. */
function parseNetwork(cidr: string): { bytes: Uint8Array; length: number } | undefined {
  const [text = "", bits = ""] = cidr.split("/");
  const address = parseAddress(text);
  if (!address || !/^[0-9]{1,3}$/.test(bits) || Number(bits) === 0) return undefined;
  const length = Number(bits) + (address.family === 4 ? 96 : 0);
  return length <= 128 ? { bytes: address.bytes, length } : undefined;
}

function contains({ bytes, length }: { bytes: Uint8Array; length: number }, address: Uint8Array): boolean {
  for (let i = 0; i * 8 < length; i++) {
    const mask = length - i * 8 >= 8 ? 0xff : 0xff << (8 - (length - i * 8)) & 0xff;
    if (((bytes[i] ?? 0) & mask) !== ((address[i] ?? 0) & mask)) return false;
  }
  return true;
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
