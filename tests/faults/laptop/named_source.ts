import { addressOfBuffer, libc } from "../../../ffi/libc.ts";
import type { IpAddress } from "../../../net/address.ts";

/** Level and kind of the control messages that name a datagram's source: IP_PKTINFO, IPV6_PKTINFO. */
const PKTINFO = { 4: [0, 8], 6: [41, 50] } as const;
/** struct cmsghdr, then struct in_pktinfo or in6_pktinfo: their lengths, and where the source is. */
const HEADER = 16;
const INFO = { 4: { length: 12, source: 4 }, 6: { length: 20, source: 0 } } as const;

/**
 * Sends a datagram that names its source itself, by a socket of `family`; without `to` to the socket's peer.
 * @returns as sendmsg(2) does
 */
export function sendFrom(
  fd: number,
  family: 4 | 6,
  source: IpAddress,
  data: Uint8Array<ArrayBuffer>,
  to?: Uint8Array<ArrayBuffer>,
): number | bigint {
  const { length, source: at } = INFO[family];
  const control = new Uint8Array(Math.ceil((HEADER + length) / 8) * 8);
  const view = new DataView(control.buffer);
  const [level, kind] = PKTINFO[family];
  view.setBigUint64(0, BigInt(HEADER + length), true);
  view.setInt32(8, level, true);
  view.setInt32(12, kind, true);
  control.set(family === 4 ? source.bytes.subarray(12) : source.bytes, HEADER + at);
  const iovec = new Uint8Array(new BigUint64Array([addressOfBuffer(data), BigInt(data.length)]).buffer);
  const header = new Uint8Array(
    new BigUint64Array([
      to ? addressOfBuffer(to) : 0n,
      BigInt(to?.length ?? 0),
      addressOfBuffer(iovec),
      1n,
      addressOfBuffer(control),
      BigInt(control.length),
      0n,
    ]).buffer,
  );
  const sent = libc.sendmsg(fd, header, 0);
  for (const part of [control, iovec]) part.fill(0); // they are reachable until here, as `data` and `to` are
  return sent;
}
