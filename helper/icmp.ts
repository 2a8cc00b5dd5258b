import type { Endpoint, IpAddress } from "../net/address.ts";

const UDP = 17;
const [ICMP, PORT_UNREACHABLE] = [1, [3, 3]] as const;
const [ICMP6, PORT_UNREACHABLE6] = [58, [1, 4]] as const;
const TTL = 64;
/** Of an IPv4 header without options, an IPv6 one, UDP's, and ICMP's of an error. */
const [IP4, IP6, UDP_HEADER, ICMP_HEADER] = [20, 40, 8, 8];

/**
 * The packet by which `to` tells `from` that its datagram found no port (RFC 792, RFC 4443), IP header included. It quotes the headers
 * of a datagram without content.
 */
export function portUnreachable(from: Endpoint, to: Endpoint): Uint8Array<ArrayBuffer> {
  const udp = new Uint8Array(UDP_HEADER);
  const ports = new DataView(udp.buffer);
  ports.setUint16(0, from.port);
  ports.setUint16(2, to.port);
  ports.setUint16(4, UDP_HEADER);
  const isIp4 = to.address.family === 4;
  const packet = isIp4 ? ip4 : ip6;
  const icmp = joined(new Uint8Array(ICMP_HEADER), packet(UDP, from.address, to.address, udp));
  icmp.set(isIp4 ? PORT_UNREACHABLE : PORT_UNREACHABLE6);
  const pseudo = isIp4 ? new Uint8Array() : pseudoHeader(to.address, from.address, icmp.length);
  new DataView(icmp.buffer).setUint16(2, checksum(joined(pseudo, icmp)));
  return packet(isIp4 ? ICMP : ICMP6, to.address, from.address, icmp);
}

function ip4(protocol: number, from: IpAddress, to: IpAddress, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(IP4);
  const view = new DataView(header.buffer);
  header[0] = 0x45; // version 4, five words
  view.setUint16(2, IP4 + body.length);
  header.set([TTL, protocol], 8);
  header.set(from.bytes.subarray(12), 12);
  header.set(to.bytes.subarray(12), 16);
  view.setUint16(10, checksum(header));
  return joined(header, body);
}

function ip6(protocol: number, from: IpAddress, to: IpAddress, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(IP6);
  header[0] = 0x60; // version 6
  new DataView(header.buffer).setUint16(4, body.length);
  header.set([protocol, TTL], 6);
  header.set(from.bytes, 8);
  header.set(to.bytes, 24);
  return joined(header, body);
}

/** What ICMPv6 adds to its checksum (RFC 8200 section 8.1). */
function pseudoHeader(from: IpAddress, to: IpAddress, length: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(40);
  header.set(from.bytes);
  header.set(to.bytes, 16);
  new DataView(header.buffer).setUint32(32, length);
  header[39] = ICMP6;
  return header;
}

/** The internet checksum (RFC 1071) of an even number of bytes, whose own field is 0. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) << 8 | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(first.length + second.length);
  bytes.set(first);
  bytes.set(second, first.length);
  return bytes;
}
