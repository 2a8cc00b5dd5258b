import { addressOfBuffer, libc } from "../libc.ts";

/** Bytes of the largest datagram, rounded up. */
const LARGEST = 64 * 1024;
/** Datagrams that are read together at most. */
const MOST = 16;
/** struct mmsghdr, and the parts of it that are used (man 2 recvmmsg). */
const MESSAGE = { bytes: 64, iov: 16, iovCount: 24, length: 56 };
/** struct iovec */
const IOV = { bytes: 16, length: 8 };
export const MSG_DONTWAIT = 0x40;

/**
 * Buffers for datagrams that are read together, with the structures that tell the kernel of them. All sockets of a thread can share one:
 * what is read is used before the next read.
 */
export class ReceiveBatch {
  /** Room for a datagram that is read alone. */
  readonly single: Uint8Array<ArrayBuffer>;
  readonly #messages = new Uint8Array(MESSAGE.bytes * MOST);
  readonly #view = new DataView(this.#messages.buffer);
  readonly #iov = new Uint8Array(IOV.bytes * MOST);
  readonly #payloads = new Uint8Array(LARGEST * MOST);

  constructor() {
    this.single = this.#payloads.subarray(0, LARGEST);
    const iov = new DataView(this.#iov.buffer);
    const [iovs, payloads] = [addressOfBuffer(this.#iov), addressOfBuffer(this.#payloads)];
    for (let i = 0; i < MOST; i++) {
      iov.setBigUint64(i * IOV.bytes, payloads + BigInt(i * LARGEST), true);
      iov.setBigUint64(i * IOV.bytes + IOV.length, BigInt(LARGEST), true);
      this.#view.setBigUint64(i * MESSAGE.bytes + MESSAGE.iov, iovs + BigInt(i * IOV.bytes), true);
      this.#view.setBigUint64(i * MESSAGE.bytes + MESSAGE.iovCount, 1n, true);
    }
  }

  /** Reads what a socket has, without waiting. @returns how many datagrams there were; -1 for an error, which errno() tells */
  readFrom(fd: number): number {
    return libc.recvmmsg(fd, this.#messages, MOST, MSG_DONTWAIT, null);
  }

  /** The i-th of the datagrams that were read together. */
  payload(i: number): Uint8Array<ArrayBuffer> {
    const at = i * LARGEST;
    return this.#payloads.subarray(at, at + this.#view.getUint32(i * MESSAGE.bytes + MESSAGE.length, true));
  }
}

/** A socket that a UdpPoller reads. */
export interface PolledSocket {
  /** Reads what has come, as much as fits into a batch. */
  read(batch: ReceiveBatch): void;
  /** What it told its owner has thrown. */
  failed(error: Error): void;
  close(): void;
}
