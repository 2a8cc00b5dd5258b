import { EAGAIN, EINTR, EMSGSIZE, ENOBUFS, errno, libc, SystemCallError } from "../libc.ts";
import { MSG_DONTWAIT, type PolledSocket, type ReceiveBatch } from "./receive_batch.ts";

/** What the owner of a connected socket is told. */
export interface ConnectedUdpEvents {
  /** `payload` is valid during the call only. An error that this throws closes the socket, and is told to `failed`. */
  received(payload: Uint8Array): void;
  /**
   * The kernel reported an error, whose `code` is its name: an ICMP message that the port is closed above all ("ECONNREFUSED"). The
   * socket stays open.
   */
  failed(error: Error & { readonly code?: string }): void;
}

/** A UDP socket that the kernel has connected: datagrams of its peer come through and no others. UdpPoller opens it. */
export class ConnectedUdp implements PolledSocket, Disposable {
  readonly #fd: number;
  readonly #events: ConnectedUdpEvents;
  readonly #closed: (fd: number) => void;
  /** The descriptor may be another's once this is closed. */
  #isOpen = true;

  constructor(fd: number, events: ConnectedUdpEvents, closed: (fd: number) => void) {
    this.#fd = fd;
    this.#events = events;
    this.#closed = closed;
  }

  /** Sends a datagram. @returns false when it was dropped: the kernel has no room for it, or it is too large */
  send(payload: Uint8Array): boolean {
    if (this.#send(payload)) return true;
    const error = errno();
    if (!this.#isOpen || error === EAGAIN || error === ENOBUFS || error === EMSGSIZE) return false;
    // An error of an earlier datagram took this one's place.
    this.#events.failed(new SystemCallError("send", error));
    return this.#send(payload);
  }

  #send(payload: Uint8Array): boolean {
    if (!this.#isOpen) return false;
    return libc.send(this.#fd, payload as Uint8Array<ArrayBuffer>, BigInt(payload.length), MSG_DONTWAIT) >= 0;
  }

  /** Reads what has come, as much as fits into a batch. */
  read(batch: ReceiveBatch): void {
    const count = batch.readFrom(this.#fd);
    if (count < 0) {
      const error = errno();
      if (error !== EAGAIN && error !== EINTR) this.#events.failed(new SystemCallError("recv", error));
      return;
    }
    for (let i = 0; i < count && this.#isOpen; i++) this.#events.received(batch.payload(i));
  }

  failed(error: Error): void {
    this.#events.failed(error);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    libc.close(this.#fd);
    this.#closed(this.#fd);
  }

  /** Same as close(). */
  [Symbol.dispose](): void {
    this.close();
  }
}
