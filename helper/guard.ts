import type { IpAddress } from "../net/address.ts";
import type { HelperGrant } from "../wire/helper.ts";
import type { Machine } from "./machine.ts";
import { contains, parseRange, type Range } from "../net/range.ts";

const PRIVATE = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "fc00::/7",
  "198.19.0.0/16",
];

/** Never, not even by a grant of a range around them. */
const NEVER: readonly (readonly [range: string, why: string])[] = [
  ["0.0.0.0/8", "no address of a host"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local, where clouds have their metadata"],
  ["224.0.0.0/3", "multicast or reserved"],
  ["100.100.100.200", "metadata of a cloud"],
  ["::/127", "loopback"],
  ["fe80::/10", "link-local"],
  ["ff00::/8", "multicast"],
  ["fd00:ec2::254", "metadata of a cloud"],
  ["fd20:ce::254", "metadata of a cloud"],
];

/**
 * Decides which addresses may be captured: fixed when sudo was given, and by what the laptop itself uses at the moment.
 * Whatever the daemon, or a cluster through it, asks for: nothing else is.
 */
export class Guard {
  readonly #allowed: readonly Range[];
  readonly #never: readonly { readonly range: Range; readonly why: string }[];

  /** @throws {TypeError} for a range of the grant that is none: left out, it would protect nothing. */
  constructor(grant: HelperGrant, pmz: readonly Range[]) {
    this.#allowed = [...PRIVATE, ...grant.ranges].map(mustParse);
    this.#never = [
      ...NEVER.map(([range, why]) => ({ range: mustParse(range), why })),
      ...grant.never.map((range) => ({ range: mustParse(range), why: "never to be captured, by choice" })),
      ...pmz.map((range) => ({ range, why: "pmz's own" })),
    ];
  }

  /** Why an address may not be captured; undefined when it may. */
  why(address: IpAddress, machine: Machine): string | undefined {
    const never = this.#never.find(({ range }) => contains(range, address));
    if (never) return never.why;
    if (!this.#allowed.some((range) => contains(range, address))) {
      return "public: not in a range that was accepted for this cluster";
    }
    if (machine.own.has(address.text)) return "an address of this machine";
    if (machine.gateways.has(address.text)) return "a gateway of this machine";
    if (machine.nameservers.has(address.text)) return "a nameserver of this machine";
    if (machine.peers.has(address.text)) return "this machine has a connection to it open";
    const network = machine.onLink.find((range) => contains(range, address));
    if (network) return `in ${network.text}, a network that this machine is in`;
  }
}

function mustParse(text: string): Range {
  const range = parseRange(text);
  if (!range) throw new TypeError(`"${text}" is neither an address nor a range`);
  return range;
}
