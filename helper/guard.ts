import type { IpAddress } from "../net/address.ts";
import type { HelperGrant } from "../wire/helper.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./networks.ts";
import { contains, parseRange, type Range } from "../net/range.ts";
import { privateRanges, whyRefused } from "../net/special_ranges.ts";

/**
 * Decides which addresses may be captured, whatever the daemon, or a cluster through it, asks for: by the grant, which was fixed
 * when sudo was given, and by what the laptop itself uses at the moment.
 */
export class Guard {
  /** Accepted by the user, for any cluster. */
  readonly #accepted: readonly Range[];
  readonly #never: readonly { readonly range: Range; readonly why: string }[];

  /** @throws {TypeError} when a range of the grant is not valid: left out, it would protect nothing. */
  constructor(grant: HelperGrant, pmz: readonly Range[]) {
    this.#accepted = grant.ranges.map(mustParse);
    this.#never = [
      ...grant.never.map((range) => ({ range: mustParse(range), why: "never to be captured, by choice" })),
      ...pmz.map((range) => ({ range, why: "pmz's own" })),
    ];
  }

  /**
   * Why an address may not be captured; undefined when it may.
   * @param counts whether the accepted ranges count for the cluster that it is captured for
   */
  why(address: IpAddress, machine: Machine, counts: boolean): string | undefined {
    const special = whyRefused("helper", address);
    if (special !== undefined) return special;
    const never = this.#never.find(({ range }) => contains(range, address));
    if (never) return never.why;
    const isAccepted = counts && this.#accepted.some((range) => contains(range, address));
    if (!isAccepted && !privateRanges.some((range) => contains(range, address))) {
      return "public, and in no range that was accepted for this cluster";
    }
    const device = machine.own.get(address.text);
    if (device !== undefined) return `an address of this machine (${device})`;
    if (machine.gateways.has(address.text)) return "a gateway of this machine";
    if (machine.nameservers.has(address.text)) return "a nameserver of this machine";
    if (machine.peers.has(address.text)) return "this machine has a connection to it open";
    const takesIn = ({ range }: Network) => contains(range, address);
    const network = machine.onLink.find(takesIn);
    if (network) return `in ${network.range.text}, a network that this machine is in (${network.device})`;
    const routed = isAccepted ? undefined : machine.routed.find(takesIn);
    if (routed) {
      return `in ${routed.range.text}, which this machine has a route to (${routed.device})`;
    }
  }
}

function mustParse(text: string): Range {
  const range = parseRange(text);
  if (!range) throw new TypeError(`"${text}" is not a valid address or range`);
  return range;
}
