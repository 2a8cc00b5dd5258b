/**
 * IP addresses in the two forms that pmz uses: canonical text at the edges, and 16 bytes (v4-mapped for IPv4) as keys of BPF maps, so that
 * one table serves both families.
 */

/** An address that has been parsed: `text` is canonical (RFC 5952 for IPv6), so two equal addresses have equal text. */
export interface IpAddress {
  readonly text: string;
  readonly family: 4 | 6;
  /** 16 bytes in network order; IPv4 as ::ffff:a.b.c.d. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Parses an IPv4 or IPv6 address; undefined when `text` is not one. A v4-mapped IPv6 address is read as the IPv4 address. */
export function parseAddress(text: string): IpAddress | undefined {
  return text.includes(":") ? parse6(text) : parse4(text);
}

/** Reads an address from 16 bytes in network order. */
export function addressOf(bytes: Uint8Array): IpAddress {
  const own = new Uint8Array(16);
  own.set(bytes.subarray(0, 16));
  if (isMapped(own)) return { text: own.subarray(12).join("."), family: 4, bytes: own };
  return { text: text6(own), family: 6, bytes: own };
}

function parse4(text: string): IpAddress | undefined {
  const parts = text.split(".");
  if (
    parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256)
  ) {
    return undefined;
  }
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff], 10);
  bytes.set(parts.map(Number), 12);
  return { text, family: 4, bytes };
}

function parse6(text: string): IpAddress | undefined {
  let rest = text;
  const tail = /^(.*:)([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)$/.exec(text);
  if (tail) {
    const four = parse4(tail[2] ?? "");
    if (!four) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = four.bytes.subarray(12);
    rest = `${tail[1]}${(a << 8 | b).toString(16)}:${(c << 8 | d).toString(16)}`;
  }
  const halves = rest.split("::");
  if (halves.length > 2) return undefined;
  const [head = [], last] = halves.map((half) => half === "" ? [] : half.split(":"));
  const given = head.length + (last?.length ?? 0);
  if (last ? given > 7 : given !== 8) return undefined;
  const groups = last ? [...head, ...Array<string>(8 - given).fill("0"), ...last] : head;
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  const bytes = new Uint8Array(16);
  groups.forEach((group, i) => new DataView(bytes.buffer).setUint16(2 * i, parseInt(group, 16)));
  return addressOf(bytes);
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

/** RFC 5952: lower case, the longest run of two or more zero groups as "::", the first of equals. */
function text6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let [start, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > length) [start, length] = [i, run];
  }
  const hex = groups.map((group) => group.toString(16));
  if (start < 0) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** An address and a port: "10.96.0.10:53", "[fd00::1]:53". */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** Parses "1.2.3.4:80" and "[::1]:80"; undefined when it's neither, or the port isn't 1 to 65535. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]{2,45})\]|([0-9.]{7,15})):([1-9][0-9]{0,4})$/.exec(text);
  const address = match && parseAddress(match[1] ?? match[2] ?? "");
  const port = Number(match?.[3]);
  if (!address || port > 65535) return undefined;
  return { address, port };
}

/** The endpoint as an authority: an IPv6 address in brackets. */
export function formatEndpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
