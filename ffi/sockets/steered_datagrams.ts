/** Hot path: one call for each datagram of an intercepted UDP port. */
import { addressOfBuffer, AF_INET, libc } from "../libc.ts";

/** Bytes of the longest UDP payload by IPv4 (65,507) and by IPv6 (65,527). */
export const LONGEST_DATAGRAM = 65_527;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const CONTROL = 64;
/** Bytes of struct cmsghdr, and where msghdr has what recvmsg(2) changes. */
const CMSG_HEADER = 16;
const [NAME_LENGTH, CONTROL_LENGTH, FLAGS] = [8, 40, 48];

/** One end of a datagram, in bytes of the reader's own: valid until the next read. */
export interface DatagramEnd {
  readonly family: 4 | 6;
  readonly port: number;
  /** 4 or 16 bytes. */
  readonly address: Uint8Array<ArrayBuffer>;
}

/** A struct sockaddr_in or sockaddr_in6 that the kernel writes. */
class SocketName implements DatagramEnd {
  readonly #view: DataView<ArrayBuffer>;
  readonly #address4: Uint8Array<ArrayBuffer>;
  readonly #address6: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#address4 = bytes.subarray(4, 8);
    this.#address6 = bytes.subarray(8, 24);
  }

  get family(): 4 | 6 {
    return this.#view.getUint16(0, true) === AF_INET ? 4 : 6;
  }

  get port(): number {
    return this.#view.getUint16(2);
  }

  get address(): Uint8Array<ArrayBuffer> {
    return this.family === 4 ? this.#address4 : this.#address6;
  }
}

/**
 * Reads datagrams with both of their ends, of UDP sockets with IP_RECVORIGDSTADDR (pod_sockets.ts). One reader does for any number
 * of sockets of a thread.
 */
export class SteeredDatagrams {
  readonly source: DatagramEnd;
  /** Where the datagram was sent: not the socket's own address, since it was steered. */
  readonly destination: DatagramEnd;
  readonly #data = new Uint8Array(LONGEST_DATAGRAM);
  readonly #control = new Uint8Array(CONTROL);
  readonly #name = new Uint8Array(28);
  readonly #iovec: Uint8Array<ArrayBuffer>;
  readonly #header: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  #length = 0;

  constructor() {
    this.source = new SocketName(this.#name);
    this.destination = new SocketName(this.#control.subarray(CMSG_HEADER));
    const pair = (buffer: Uint8Array<ArrayBuffer>) =>
      [addressOfBuffer(buffer), BigInt(buffer.length)] as const;
    this.#iovec = new Uint8Array(new BigUint64Array(pair(this.#data)).buffer);
    const fields = [...pair(this.#name), addressOfBuffer(this.#iovec), 1n, ...pair(this.#control), 0n];
    this.#header = new Uint8Array(new BigUint64Array(fields).buffer);
    this.#view = new DataView(this.#header.buffer);
  }

  /** The payload of the datagram that was read last: valid until the next read. */
  get payload(): Uint8Array<ArrayBuffer> {
    return this.#data.subarray(0, this.#length);
  }

  /** Reads a socket's next datagram; false when none waits, or the socket has failed. */
  read(fd: number): boolean {
    for (;;) {
      this.#view.setUint32(NAME_LENGTH, this.#name.length, true);
      this.#view.setUint32(CONTROL_LENGTH, CONTROL, true);
      const length = Number(libc.recvmsgNow(fd, this.#header, MSG_DONTWAIT));
      if (length < 0) return false;
      const isWhole = (this.#view.getInt32(FLAGS, true) & MSG_TRUNC) === 0;
      if (!isWhole || this.#view.getUint32(CONTROL_LENGTH, true) <= CMSG_HEADER) continue;
      this.#length = length;
      return true;
    }
  }
}
