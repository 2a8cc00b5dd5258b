import type { Endpoint } from "../../net/address.ts";
import { EAGAIN, EINTR, errno, libc, SystemCallError } from "../libc.ts";
import { MSG_DONTWAIT, type PolledSocket, type ReceiveBatch } from "./receive_batch.ts";
import { endpointOf, localEndpoint } from "./socket.ts";

/** Datagrams that are read before other sockets have their turn. */
const MOST = 16;
/** struct sockaddr_in6, the longer one. */
const LONGEST_NAME = 28;

/** Who sent a datagram, as the kernel names it: valid until the next one is read. */
export class Sender {
  readonly name: Uint8Array<ArrayBuffer> = new Uint8Array(LONGEST_NAME);
  readonly length: Uint32Array<ArrayBuffer> = new Uint32Array(1);
  readonly lengthBytes: Uint8Array<ArrayBuffer> = new Uint8Array(this.length.buffer);

  /** Its address and port, to keep. */
  get endpoint(): Endpoint {
    return endpointOf(this.name);
  }

  /** A copy of its name (struct sockaddr), to send to. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.name.slice(0, this.length[0]);
  }

  /** Whether it has this name. */
  is(name: Uint8Array): boolean {
    if (name.length !== this.length[0]) return false;
    for (let i = 0; i < name.length; i++) if (name[i] !== this.name[i]) return false;
    return true;
  }
}

/** What the owner of a bound socket is told. */
export interface BoundUdpEvents {
  /** `payload` and `sender` are valid during the call only. An error that this throws closes the socket, and is told to `failed`. */
  received(payload: Uint8Array, sender: Sender): void;
  /** The kernel reported an error. The socket stays open. */
  failed(error: Error): void;
}

/** A UDP socket that is bound to an address, and takes datagrams from anybody. UdpPoller opens it. */
export class BoundUdp implements PolledSocket, Disposable {
  readonly #fd: number;
  readonly #events: BoundUdpEvents;
  readonly #closed: (fd: number) => void;
  readonly #sender = new Sender();
  /** The descriptor may be another's once this is closed. */
  #isOpen = true;

  constructor(fd: number, events: BoundUdpEvents, closed: (fd: number) => void) {
    this.#fd = fd;
    this.#events = events;
    this.#closed = closed;
  }

  /** Where it is bound. @throws {SystemCallError} when it is closed */
  get local(): Endpoint {
    return localEndpoint(this.#isOpen ? this.#fd : -1);
  }

  /** Sends a datagram. @param to a sender's name @returns false when it was dropped */
  send(payload: Uint8Array, to: Uint8Array<ArrayBuffer>): boolean {
    if (!this.#isOpen) return false;
    const bytes = payload as Uint8Array<ArrayBuffer>;
    return libc.sendto(this.#fd, bytes, BigInt(payload.length), MSG_DONTWAIT, to, to.length) >= 0;
  }

  /** Reads some of what has come. */
  read({ single }: ReceiveBatch): void {
    const { name, length, lengthBytes } = this.#sender;
    for (let i = 0; i < MOST && this.#isOpen; i++) {
      length[0] = name.length;
      const read = libc.recvfrom(this.#fd, single, BigInt(single.length), MSG_DONTWAIT, name, lengthBytes);
      if (read < 0) {
        const error = errno();
        if (error === EAGAIN) return;
        if (error !== EINTR) this.#events.failed(new SystemCallError("recvfrom", error));
      } else this.#events.received(single.subarray(0, Number(read)), this.#sender);
    }
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
