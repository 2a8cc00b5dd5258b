/** Hot path: one call for each datagram that leaves an intercepted UDP port. */
import { addressOfBuffer, AF_INET, AF_INET6, libc } from "../libc.ts";
import { closeDescriptor } from "./socket.ts";
import { type DatagramEnd, LONGEST_DATAGRAM } from "./steered_datagrams.ts";

/** Bytes of UDP's header, and where the checksum is in it (RFC 768). */
const HEADER = 8;
const CHECKSUM = 6;
const IPPROTO_UDP = 17;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** struct cmsghdr with in_pktinfo or in6_pktinfo: level, type, length, and where the source address is (man 7 ip, ipv6(7)). */
const PKTINFO = {
  4: { level: 0, type: 8, length: 28, space: 32, source: 20 },
  6: { level: 41, type: 50, length: 36, space: 40, source: 16 },
} as const;

/**
 * Sends UDP datagrams with any source address and port from a network namespace, by a raw socket (man 7 raw) that
 * `rawDatagramSocket` of pod_sockets.ts made: no port is bound, so that the pod's application keeps its own. The kernel adds the IP
 * header, finds the route, and fragments.
 */
export class RawDatagrams implements Disposable {
  readonly #fd: number;
  readonly #data = new Uint8Array(HEADER + LONGEST_DATAGRAM + 1);
  readonly #words = new Uint16Array(this.#data.buffer);
  readonly #udp = new DataView(this.#data.buffer);
  readonly #name: Uint8Array<ArrayBuffer>;
  readonly #to: Uint8Array<ArrayBuffer>;
  readonly #control: Uint8Array<ArrayBuffer>;
  readonly #from: Uint8Array<ArrayBuffer>;
  readonly #iovec: BigUint64Array<ArrayBuffer>;
  readonly #iovecBytes: Uint8Array<ArrayBuffer>;
  readonly #header: Uint8Array<ArrayBuffer>;
  readonly #family: 4 | 6;
  #isOpen = true;

  /** @param fd the socket, which belongs to this from now on */
  constructor(fd: number, family: 4 | 6) {
    this.#fd = fd;
    this.#family = family;
    const { level, type, length, space, source } = PKTINFO[family];
    this.#name = new Uint8Array(family === 4 ? 16 : 28);
    new DataView(this.#name.buffer).setUint16(0, family === 4 ? AF_INET : AF_INET6, true);
    this.#to = family === 4 ? this.#name.subarray(4, 8) : this.#name.subarray(8, 24);
    this.#control = new Uint8Array(space);
    const control = new DataView(this.#control.buffer);
    control.setBigUint64(0, BigInt(length), true);
    control.setInt32(8, level, true);
    control.setInt32(12, type, true);
    this.#from = this.#control.subarray(source, source + (family === 4 ? 4 : 16));
    this.#iovec = new BigUint64Array([addressOfBuffer(this.#data), 0n]);
    this.#iovecBytes = new Uint8Array(this.#iovec.buffer);
    const pair = (buffer: Uint8Array<ArrayBuffer>) =>
      [addressOfBuffer(buffer), BigInt(buffer.length)] as const;
    const fields = [...pair(this.#name), addressOfBuffer(this.#iovecBytes), 1n, ...pair(this.#control), 0n];
    this.#header = new Uint8Array(new BigUint64Array(fields).buffer);
  }

  /** Sends a datagram. @returns false when the kernel has no room or no way for it, or this is disposed: it is dropped */
  send(payload: Uint8Array, from: DatagramEnd, to: DatagramEnd): boolean {
    const length = HEADER + payload.length;
    if (!this.#isOpen || length > 0xffff) return false;
    this.#from.set(from.address);
    this.#to.set(to.address);
    this.#udp.setUint16(0, from.port);
    this.#udp.setUint16(2, to.port);
    this.#udp.setUint16(4, length);
    this.#udp.setUint16(CHECKSUM, 0);
    this.#data.set(payload, HEADER);
    // By IPv6 the kernel fills it in (IPV6_CHECKSUM).
    if (this.#family === 4) this.#udp.setUint16(CHECKSUM, this.#checksum(length));
    this.#iovec[1] = BigInt(length);
    return libc.sendmsg(this.#fd, this.#header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeDescriptor(this.#fd);
  }

  /** RFC 768: of the addresses, the protocol, the length and the datagram; summed in words of this machine's order (RFC 1071). */
  #checksum(length: number): number {
    this.#data[length] = 0; // of an odd length
    const end = (length + 1) >> 1;
    let sum = swapped(IPPROTO_UDP) + swapped(length);
    for (const address of [this.#from, this.#to]) {
      for (let at = 0; at < address.length; at += 2) sum += (address[at] ?? 0) | (address[at + 1] ?? 0) << 8;
    }
    for (let at = 0; at < end; at++) sum += this.#words[at] ?? 0;
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    const checksum = swapped(~sum & 0xffff);
    return checksum === 0 ? 0xffff : checksum; // zero means "no checksum"
  }
}

function swapped(word: number): number {
  return (word & 0xff) << 8 | word >>> 8;
}
