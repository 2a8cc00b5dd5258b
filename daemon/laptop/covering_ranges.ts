import { addressOf, type IpAddress, parseAddress } from "../../net/address.ts";
import { contains, type Range, rangeOf } from "../../net/range.ts";

/** Lengths by family: addresses with less in common are of several ranges, and a range is no smaller than the other one. */
const widest = { 4: 16, 6: 64 } as const;
const narrowest = { 4: 20, 6: 112 } as const;

/**
 * The ranges that addresses of a cluster are likely from, in CIDR notation: a cluster gives addresses from all over its range, so
 * those of one range have the first bits in common and differ soon after.
 */
export function coveringRanges(addresses: Iterable<string>): string[] {
  const ranges: Range[] = [];
  for (const text of addresses) {
    const address = parseAddress(text);
    if (!address) continue;
    const { family } = address;
    const at = ranges.findIndex((range) => range.family === family && sharesWidest(range, address));
    const range = ranges[at];
    if (range === undefined) ranges.push(rangeOf(address, narrowest[family]));
    else {
      let bits = range.bits - (family === 4 ? 96 : 0);
      let wider = range;
      while (!contains(wider, address)) wider = rangeOf(addressOf(range.first), --bits);
      ranges[at] = wider;
    }
  }
  return ranges.map(({ text }) => text);
}

function sharesWidest({ first }: Range, address: IpAddress): boolean {
  return contains(rangeOf(address, widest[address.family]), addressOf(first));
}
