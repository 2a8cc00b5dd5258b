import { type IpAddress, parseAddress } from "../../wire/address.ts";

/** A range of addresses, as CIDR notation gives it. IPv4 is counted within ::ffff:0:0/96, so one comparison does for both. */
export interface Range {
  /** Canonical: host bits are zero. */
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Of the 128 bits of `bytes`. */
  readonly bits: number;
}

/** Parses "10.0.0.0/8" or "fd00::/8"; undefined when it's none. Host bits that are set are taken as zero. */
export function parseRange(text: string): Range | undefined {
  const match = /^([0-9a-fA-F.:]{2,45})\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const address = match && parseAddress(match[1] ?? "");
  if (!address) return undefined;
  const length = Number(match[2]);
  // "::ffff:10.0.0.0/104" is an IPv4 range in another dress: refused, so that a length has one meaning.
  if (address.family === 4 && match[1]?.includes(":")) return undefined;
  const width = address.family === 4 ? 32 : 128;
  if (length > width) return undefined;
  const bits = length + 128 - width;
  const bytes = address.bytes.map((byte, i) => byte & maskOf(bits, i));
  return { text: `${textOf(bytes, address.family)}/${length}`, bytes, bits };
}

/** Whether `address` lies in `range`. */
export function contains(range: Range, address: IpAddress): boolean {
  // An IPv6 range never takes an IPv4 address: "::/0" is about IPv6.
  if (range.bits < 96 && address.family === 4) return false;
  for (let i = 0; i < 16; i++) {
    const mask = maskOf(range.bits, i);
    if (mask === 0) return true;
    if (((address.bytes[i] ?? 0) & mask) !== range.bytes[i]) return false;
  }
  return true;
}

function maskOf(bits: number, index: number): number {
  const here = Math.min(8, Math.max(0, bits - 8 * index));
  return (0xff00 >> here) & 0xff;
}

function textOf(bytes: Uint8Array, family: 4 | 6): string {
  if (family === 4) return bytes.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  return parseAddress(groups.map((group) => group.toString(16)).join(":"))?.text ?? "::";
}
