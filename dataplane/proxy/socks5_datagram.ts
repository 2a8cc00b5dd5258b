/** The headers of datagrams between a client and the proxy (RFC 1928 §7): two bytes 0, a fragment's number, kind, address, port. */
import type { Endpoint } from "../../net/address.ts";
import { addressOf } from "../../net/address.ts";
import { formatEnd, hostOfName, kinds } from "./socks5.ts";
import type { ProxyTarget } from "./target.ts";

/** Bytes in front of the address. */
const FIXED = 4;
const PORT = 2;
/** Bytes of the longest header, with a name of 255 bytes. */
export const LONGEST_HEADER = FIXED + 1 + 255 + PORT;

/** Bytes of a datagram's header; -1 when it isn't valid, or the datagram is a fragment, which pmz doesn't put together. */
export function headerLength(datagram: Uint8Array): number {
  const [reserved, reserved2, fragment, kind, length = 0] = datagram;
  if (reserved !== 0 || reserved2 !== 0 || fragment !== 0) return -1;
  const address = kind === kinds.ipv4 ? 4 : kind === kinds.ipv6 ? 16 : kind === kinds.name ? 1 + length : -1;
  const end = FIXED + address + PORT;
  return address < 0 || end > datagram.length ? -1 : end;
}

/** The target that a header of so many bytes names; undefined when it isn't a valid one. */
export function targetOf(datagram: Uint8Array, length: number): ProxyTarget | undefined {
  const address = datagram.subarray(FIXED, length - PORT);
  const port = (datagram[length - 2] ?? 0) << 8 | (datagram[length - 1] ?? 0);
  const host = hostOf(datagram[FIXED - 1], address);
  return host === "" || port === 0 ? undefined : { host, port };
}

function hostOf(kind: number | undefined, address: Uint8Array): string {
  if (kind === kinds.ipv4) return address.join(".");
  return kind === kinds.ipv6 ? addressOf(address.slice()).text : hostOfName(address.subarray(1));
}

/** The header of a datagram that comes from this address and port. */
export function formatHeader(from: Endpoint): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(0, 0, 0, ...formatEnd(from));
}
