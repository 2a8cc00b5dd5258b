import { type Clock, systemClock } from "../../async/clock.ts";
import { parseAddress } from "../../net/address.ts";
import { contains, parseRange, type Range } from "../../net/range.ts";

/** What a virtual address stands for. */
export interface VirtualMeaning {
  readonly cluster: string;
  /** The Service's or pod's own address. */
  readonly address: string;
}

/**
 * Where virtual addresses come from, the first that the machine doesn't use: benchmarking (RFC 2544), shared address space (RFC 6598),
 * private ones (RFC 1918). All are private to the helper (net/special_ranges.ts), so no grant is needed.
 */
export const VIRTUAL_RANGES = ["198.19.0.0/16", "100.126.0.0/16", "172.30.0.0/16", "10.254.0.0/16"] as const;
/** Virtual addresses of all clusters, with those that rest; the helper captures 20,000 addresses in all. */
export const MOST_VIRTUAL = 16_384;
/** An address that is given back means nothing else for so long, in milliseconds: programs keep what a name has answered. */
export const REST_MS = 600_000;
/** Virtual addresses that were refused alone and aren't tried again soon; the oldest is forgotten first. */
const MOST_REFUSED = 1_024;
/** Places of a range that are looked at for a free one: a cluster may have every address of a range for itself. */
const MOST_TRIED = 256;
/** Addresses of a range that are given out: those that end in 0 or 255 are taken for a network's or a broadcast's by some programs. */
const A_RANGE_HAS = 256 * 254;

interface Given extends VirtualMeaning {
  readonly virtual: string;
  /** Since when it rests; undefined while it is in use. */
  resting: number | undefined;
}

/** The options of VirtualAddresses. */
export interface VirtualAddressesOptions {
  readonly clock?: Clock;
  readonly most?: number;
  /** Which of a range's addresses is tried first for an address of a cluster; by default one that is the same in each run. */
  readonly place?: (cluster: string, address: string) => number;
}

/**
 * One virtual address for each address of a cluster that this laptop can't capture as it is. While the daemon lives, an address of a
 * cluster gets the same virtual one again, and no other gets it before it has rested. Another daemon gives it the same one too, unless
 * two have the same place: what programs remember means nothing else then.
 */
export class VirtualAddresses {
  readonly #clock: Clock;
  readonly #most: number;
  readonly #given = new Map<string, Given>();
  readonly #byVirtual = new Map<string, Given>();
  /** The one that has rested longest is first. */
  readonly #resting = new Set<Given>();
  readonly #refused = new Set<string>();
  readonly #place: (cluster: string, address: string) => number;
  readonly #ranges: Range[];

  constructor({ clock = systemClock, most = MOST_VIRTUAL, place = hash }: VirtualAddressesOptions = {}) {
    this.#clock = clock;
    this.#most = most;
    this.#place = place;
    this.#ranges = VIRTUAL_RANGES.flatMap((text) => parseRange(text) ?? []);
  }

  /** The virtual address in use for an address of a cluster. */
  of(cluster: string, address: string): string | undefined {
    const given = this.#given.get(keyOf(cluster, address));
    return given?.resting === undefined ? given?.virtual : undefined;
  }

  /** What a virtual address in use stands for; undefined for any other address. */
  meaningOf(virtual: string): VirtualMeaning | undefined {
    const given = this.#byVirtual.get(virtual);
    return given?.resting === undefined ? given : undefined;
  }

  /** The virtual addresses in use of a cluster. */
  *ofCluster(cluster: string): Generator<string> {
    for (const given of this.#given.values()) {
      if (given.cluster === cluster && given.resting === undefined) yield given.virtual;
    }
  }

  /**
   * Takes a virtual address into use.
   * @param isTaken whether a cluster has an address for its own: it is no virtual one then
   * @param isUsed whether a cluster has some address of a range: new pods may get any of it, so it comes last
   * @returns undefined where there are as many as may be
   */
  take(
    cluster: string,
    address: string,
    isTaken: (address: string) => boolean,
    isUsed: (range: string) => boolean = () => false,
  ): string | undefined {
    const known = this.#given.get(keyOf(cluster, address));
    if (known?.resting === undefined && known) return known.virtual;
    if (known) {
      this.#resting.delete(known);
      if (!isTaken(known.virtual)) {
        known.resting = undefined;
        return known.virtual;
      }
      this.#forget(known);
    }
    const virtual = this.#free(this.#place(cluster, address), isTaken, isUsed);
    if (virtual === undefined) return undefined;
    const given: Given = { cluster, address, virtual, resting: undefined };
    this.#given.set(keyOf(cluster, address), given);
    this.#byVirtual.set(virtual, given);
    return virtual;
  }

  /** Takes a virtual address out of use. */
  rest(virtual: string): void {
    const given = this.#byVirtual.get(virtual);
    if (!given || given.resting !== undefined) return;
    given.resting = this.#clock.now();
    this.#resting.add(given);
  }

  /**
   * A virtual address can't be captured: it means nothing any more.
   * @param isRange whether its range is the machine's: further addresses come from the next one
   */
  refuse(virtual: string, isRange: boolean): void {
    const given = this.#byVirtual.get(virtual);
    if (given) this.#forget(given);
    if (isRange) return this.#leaveRangeOf(virtual);
    this.#refused.add(virtual);
    const [oldest] = this.#refused;
    if (oldest !== undefined && this.#refused.size > MOST_REFUSED) this.#refused.delete(oldest);
  }

  #leaveRangeOf(virtual: string): void {
    const address = parseAddress(virtual);
    const left = this.#ranges.findIndex((range) => address !== undefined && contains(range, address));
    if (left >= 0) this.#ranges.push(...this.#ranges.splice(left, 1));
  }

  #forget(given: Given): void {
    this.#resting.delete(given);
    this.#given.delete(keyOf(given.cluster, given.address));
    this.#byVirtual.delete(given.virtual);
  }

  #free(
    place: number,
    isTaken: (address: string) => boolean,
    isUsed: (range: string) => boolean,
  ): string | undefined {
    if (this.#given.size >= this.#most) {
      const [oldest] = this.#resting;
      const hasRested = oldest?.resting !== undefined && this.#clock.now() - oldest.resting >= REST_MS;
      if (!oldest || !hasRested) return undefined;
      this.#forget(oldest);
    }
    for (const used of [false, true]) {
      for (const range of this.#ranges) {
        const virtual = isUsed(range.text) === used ? this.#freeIn(range, place, isTaken) : undefined;
        if (virtual !== undefined) return virtual;
      }
    }
    return undefined;
  }

  #freeIn(range: Range, place: number, isTaken: (address: string) => boolean): string | undefined {
    for (let tried = 0; tried < MOST_TRIED; tried++) {
      const virtual = addressIn(range, (place + tried) % A_RANGE_HAS);
      if (this.#byVirtual.has(virtual) || this.#refused.has(virtual)) continue;
      if (!isTaken(virtual)) return virtual;
    }
    return undefined;
  }
}

/** The contexts of a kubeconfig may have spaces, addresses have none. */
const keyOf = (cluster: string, address: string): string => `${address} ${cluster}`;

function addressIn({ text }: Range, index: number): string {
  const [a, b] = text.split(".");
  return `${a}.${b}.${Math.floor(index / 254)}.${1 + index % 254}`;
}

/** FNV-1a. */
function hash(cluster: string, address: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(keyOf(cluster, address))) {
    value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  }
  return value % A_RANGE_HAS;
}
