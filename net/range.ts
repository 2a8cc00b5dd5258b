import { addressOf, type IpAddress, parseAddress } from "./address.ts";

/** Addresses that have their first bits in common: "10.0.0.0/8", "fc00::/7", or one address. */
export interface Range {
  readonly family: 4 | 6;
  /** 16 bytes; bits beyond `bits` are 0. */
  readonly first: Uint8Array;
  /** Of the 16 bytes: 96 more than in the text, for IPv4. */
  readonly bits: number;
  readonly text: string;
}

/** Parses CIDR notation, or an address; undefined when it's neither. Bits beyond the prefix are ignored. */
export function parseRange(text: string): Range | undefined {
  const match = /^([0-9a-fA-F.:]{2,45})(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text);
  const address = match && parseAddress(match[1] ?? "");
  if (!address) return undefined;
  // "::ffff:10.0.0.0/104" is an IPv4 range in other words: refused, so that a length has one meaning.
  if (address.family === 4 && match[1]?.includes(":") && match[2] !== undefined) return undefined;
  const longest = address.family === 4 ? 32 : 128;
  const bits = match[2] === undefined ? longest : Number(match[2]);
  return bits > longest ? undefined : rangeOf(address, bits);
}

/** The range of `bits` bits (0 to 32, or 128) that an address is in. */
export function rangeOf(address: IpAddress, bits: number): Range {
  const whole = address.family === 4 ? bits + 96 : bits;
  const first = address.bytes.map((byte, i) => byte & maskOf(whole - 8 * i));
  return { family: address.family, first, bits: whole, text: `${addressOf(first).text}/${bits}` };
}

/** Whether an address lies in a range. One of IPv6 never takes an address of IPv4: "::/0" is about IPv6. */
export function contains(range: Range, address: IpAddress): boolean {
  return range.family === address.family &&
    range.first.every((byte, i) => byte === ((address.bytes[i] ?? 0) & maskOf(range.bits - 8 * i)));
}

/** Whether an address lies in one of some ranges; not when it, or the range, isn't valid. */
export function isWithin(address: string, ranges: readonly string[]): boolean {
  const parsed = ranges.length > 0 ? parseAddress(address) : undefined;
  return parsed !== undefined && ranges.some((text) => {
    const range = parseRange(text);
    return range !== undefined && contains(range, parsed);
  });
}

/** Whether some address is in both. */
export function overlap(a: Range, b: Range): boolean {
  const bits = Math.min(a.bits, b.bits);
  return a.family === b.family &&
    a.first.every((byte, i) => ((byte ^ (b.first[i] ?? 0)) & maskOf(bits - 8 * i)) === 0);
}

/** A byte's mask, where `bits` bits are left of the prefix from this byte on. */
function maskOf(bits: number): number {
  return bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff00 >> bits) & 0xff;
}
