import type { Endpoint } from "../../net/address.ts";
import { addressOfBuffer, libc } from "../libc.ts";
import { closeDescriptor, endpointOf, setOption } from "./socket.ts";

/** By address family: level and option by which a datagram comes with the address and port that it was sent to. */
const RECEIVE_DESTINATION = { 4: [0, 20], 6: [41, 74] } as const; // IP_RECVORIGDSTADDR, IPV6_RECVORIGDSTADDR
/** Bytes of the longest datagram. */
const LONGEST = 65_535;
/** Datagrams of one batch. */
const BATCH = 64;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const SHUT_RDWR = 2;
/** Bytes of struct sockaddr_in6, of the control messages, and of the header of one. */
const [NAME, CONTROL, HEADER] = [28, 64, 16];

/** A datagram with both its ends. */
export interface Datagram {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/**
 * Reads datagrams with the address and port that each was sent to, which Deno's sockets don't tell. A wait blocks a thread of Deno's
 * pool, which `close` wakes by shutdown(2). For the main thread only: a Worker that is terminated during a wait would free the buffer
 * that the kernel writes to.
 */
export class DatagramReader implements Disposable {
  readonly #fd: number;
  readonly #poll = new Uint8Array(8); // struct pollfd
  readonly #data = new Uint8Array(LONGEST);
  readonly #name = new Uint8Array(NAME);
  readonly #control = new Uint8Array(CONTROL);
  /** Kept so that it stays reachable. */
  readonly #iovec: Uint8Array<ArrayBuffer>;
  readonly #header: BigUint64Array<ArrayBuffer>;
  readonly #headerBytes: Uint8Array<ArrayBuffer>;
  #isWaiting = false;
  #isClosed = false;

  /**
   * @param fd a UDP socket, owned from then on
   * @throws {SystemCallError} The caller still owns the socket then.
   */
  constructor(fd: number, family: 4 | 6) {
    const [level, option] = RECEIVE_DESTINATION[family];
    setOption(fd, level, option, 1);
    this.#fd = fd;
    const poll = new DataView(this.#poll.buffer);
    poll.setInt32(0, fd, true);
    poll.setInt16(4, POLLIN, true);
    this.#iovec = new Uint8Array(new BigUint64Array([addressOfBuffer(this.#data), BigInt(LONGEST)]).buffer);
    // struct msghdr of 64-bit Linux
    this.#header = new BigUint64Array([
      addressOfBuffer(this.#name),
      BigInt(NAME),
      addressOfBuffer(this.#iovec),
      1n,
      addressOfBuffer(this.#control),
      BigInt(CONTROL),
      0n,
    ]);
    this.#headerBytes = new Uint8Array(this.#header.buffer);
  }

  get descriptor(): number {
    return this.#fd;
  }

  /** Waits until there are datagrams; false when this was closed. One wait at a time. */
  async ready(): Promise<boolean> {
    if (this.#isClosed) return false;
    this.#isWaiting = true;
    await libc.poll(this.#poll, 1n, -1);
    this.#isWaiting = false;
    if (this.#isClosed) closeDescriptor(this.#fd);
    return !this.#isClosed;
  }

  /** The datagrams that are there, the oldest first: some of them where there are many, none where there are none. */
  read(): Datagram[] {
    const found: Datagram[] = [];
    while (!this.#isClosed && found.length < BATCH) {
      this.#header[1] = BigInt(NAME);
      this.#header[5] = BigInt(CONTROL);
      const length = Number(libc.recvmsgNow(this.#fd, this.#headerBytes, MSG_DONTWAIT));
      if (length < 0) break;
      const to = this.#destination();
      if (to) found.push({ from: endpointOf(this.#name), to, payload: this.#data.slice(0, length) });
    }
    return found;
  }

  /** Where the datagram was sent to, as the one control message says (struct cmsghdr). */
  #destination(): Endpoint | undefined {
    const came = Number(this.#header[5]);
    return came > HEADER ? endpointOf(this.#control.subarray(HEADER, came)) : undefined;
  }

  /** Closes the socket; a wait that is under way returns false. Closing twice is fine. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    libc.shutdown(this.#fd, SHUT_RDWR); // ENOTCONN, and wakes who waits
    // The descriptor may only be reused once no thread waits on it.
    if (!this.#isWaiting) closeDescriptor(this.#fd);
  }
}
