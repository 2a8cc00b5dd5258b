/**
 * Connected UDP sockets that are read together.
 *
 * Hot path: a datagram costs a view and a part of a system call when it is received, one system call when it is sent, and no promise.
 * Deno's own sockets cost 1.6 times the CPU under load, and a pending read of theirs pins a buffer of the largest datagram's size,
 * 64 KiB for each socket, where these share one set of buffers (docs/decisions.md). While nothing comes, one thread waits for all.
 */
import { setImmediate } from "node:timers";
import type { Endpoint } from "../../net/address.ts";
import {
  addressOfBuffer,
  AF_INET,
  AF_INET6,
  errno,
  libc,
  must,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SystemCallError,
} from "../libc.ts";
import { socketAddress } from "./socket.ts";

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const EFD_CLOEXEC_NONBLOCK = 0x80800;
const MSG_DONTWAIT = 0x40;
const FOREVER = -1;

const EINTR = 4;
const EAGAIN = 11;
const EMSGSIZE = 90;
const ENOBUFS = 105;

/** Bytes of the largest datagram, rounded up. */
const LARGEST = 64 * 1024;
/** Datagrams of one socket that are read together; more wait until the other sockets had their turn. */
const BATCH = 16;
/** Sockets that are told to be readable together. */
const READY = 64;
/** Turns of the event loop to look for more before the thread waits: an answer often follows at once, and waking costs 20 µs. */
const TURNS = 4;

/** struct epoll_event is packed on x86-64 only (man 2 epoll_ctl). */
const EVENT = Deno.build.arch === "x86_64" ? { bytes: 12, fd: 4 } : { bytes: 16, fd: 8 };
/** struct mmsghdr, and the parts of it that are used (man 2 recvmmsg). */
const MESSAGE = { bytes: 64, iov: 16, iovCount: 24, length: 56 };
/** struct iovec */
const IOV = { bytes: 16, length: 8 };

/** What the owner of a socket is told. It must not throw. */
export interface UdpEvents {
  /** `payload` is valid during the call only. */
  received(payload: Uint8Array): void;
  /** The kernel reported an error, an ICMP message that the port is closed above all ("ECONNREFUSED"). The socket stays open. */
  failed(error: SystemCallError): void;
}

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Opens connected UDP sockets and reads them all. Sockets that are open when it is disposed of are closed. */
export class UdpPoller implements AsyncDisposable {
  readonly #epoll: number;
  /** An eventfd that ends the wait. */
  readonly #wake: number;
  readonly #sockets = new Map<number, UdpSocket>();
  readonly #events = new Uint8Array(EVENT.bytes * READY);
  readonly #eventView = new DataView(this.#events.buffer);
  readonly #batch = new Batch();
  /** Reading, from the first socket on. */
  #reading: Promise<void> | undefined;
  #isEnding = false;

  /** @throws {SystemCallError} */
  constructor() {
    this.#epoll = must("epoll_create1", libc.epoll_create1(EPOLL_CLOEXEC));
    try {
      this.#wake = must("eventfd", libc.eventfd(0, EFD_CLOEXEC_NONBLOCK));
    } catch (error) {
      libc.close(this.#epoll);
      throw error;
    }
    this.#watch(this.#wake);
  }

  /** Sockets that are open. */
  get size(): number {
    return this.#sockets.size;
  }

  /** Opens a socket that is connected to a peer. @throws {SystemCallError} when there is no way to the peer, or no descriptor left */
  open(to: Endpoint, events: UdpEvents): UdpSocket {
    const family = to.address.family === 4 ? AF_INET : AF_INET6;
    const fd = must("socket", libc.socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    try {
      const name = socketAddress(to);
      must("connect", libc.connect(fd, name, name.length));
      this.#watch(fd);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    const socket = new UdpSocket(fd, events, this.#forget);
    this.#sockets.set(fd, socket);
    this.#reading ??= this.#read();
    return socket;
  }

  readonly #forget = (fd: number): void => {
    this.#sockets.delete(fd);
  };

  /** Closing a descriptor ends this by itself (man 7 epoll). */
  #watch(fd: number): void {
    const event = new Uint8Array(EVENT.bytes);
    const view = new DataView(event.buffer);
    view.setUint32(0, EPOLLIN, true);
    view.setInt32(EVENT.fd, fd, true);
    must("epoll_ctl", libc.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, event));
  }

  async #read(): Promise<void> {
    for (let quiet = 0; !this.#isEnding;) {
      // A turn passes between any two reads, so that everything else has its turn.
      await nextTurn();
      let ready = libc.epoll_wait(this.#epoll, this.#events, READY, 0);
      if (ready <= 0 && ++quiet > TURNS) {
        ready = await libc.epollWaiting(this.#epoll, this.#events, READY, FOREVER);
      }
      if (ready > 0) quiet = 0;
      for (let i = 0; i < ready; i++) {
        const fd = this.#eventView.getInt32(i * EVENT.bytes + EVENT.fd, true);
        this.#sockets.get(fd)?.read(this.#batch);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isEnding) return;
    this.#isEnding = true;
    must("write", libc.write(this.#wake, new Uint8Array(new BigUint64Array([1n]).buffer), 8n));
    await this.#reading;
    for (const socket of [...this.#sockets.values()]) socket.close();
    libc.close(this.#epoll);
    libc.close(this.#wake);
  }
}

/** Buffers for the datagrams that are read together, and the structures that tell the kernel of them. */
class Batch {
  readonly messages = new Uint8Array(MESSAGE.bytes * BATCH);
  readonly #view = new DataView(this.messages.buffer);
  readonly #iov = new Uint8Array(IOV.bytes * BATCH);
  readonly #payloads = new Uint8Array(LARGEST * BATCH);

  constructor() {
    const iov = new DataView(this.#iov.buffer);
    const [iovs, payloads] = [addressOfBuffer(this.#iov), addressOfBuffer(this.#payloads)];
    for (let i = 0; i < BATCH; i++) {
      iov.setBigUint64(i * IOV.bytes, payloads + BigInt(i * LARGEST), true);
      iov.setBigUint64(i * IOV.bytes + IOV.length, BigInt(LARGEST), true);
      this.#view.setBigUint64(i * MESSAGE.bytes + MESSAGE.iov, iovs + BigInt(i * IOV.bytes), true);
      this.#view.setBigUint64(i * MESSAGE.bytes + MESSAGE.iovCount, 1n, true);
    }
  }

  /** The datagram that was read as the i-th. */
  payload(i: number): Uint8Array {
    const at = i * LARGEST;
    return this.#payloads.subarray(at, at + this.#view.getUint32(i * MESSAGE.bytes + MESSAGE.length, true));
  }
}

/** A UDP socket that the kernel has connected: datagrams of its peer come through and no others. */
export class UdpSocket implements Disposable {
  readonly #fd: number;
  readonly #events: UdpEvents;
  readonly #closed: (fd: number) => void;
  /** The descriptor may be another's once this is closed. */
  #isOpen = true;

  /** For UdpPoller, which opens sockets. */
  constructor(fd: number, events: UdpEvents, closed: (fd: number) => void) {
    this.#fd = fd;
    this.#events = events;
    this.#closed = closed;
  }

  /** Sends a datagram. @returns false when it was dropped: the kernel has no room for it, or it is too large */
  send(payload: Uint8Array): boolean {
    if (this.#send(payload)) return true;
    // An error that came before took this one's place.
    const error = errno();
    if (error === EAGAIN || error === ENOBUFS || error === EMSGSIZE || !this.#isOpen) return false;
    this.#events.failed(new SystemCallError("send", error));
    return this.#send(payload);
  }

  #send(payload: Uint8Array): boolean {
    return this.#isOpen &&
      libc.send(this.#fd, payload as Uint8Array<ArrayBuffer>, BigInt(payload.length), MSG_DONTWAIT) >= 0;
  }

  /** Reads what has come, as much as fits into a batch. */
  read(batch: Batch): void {
    const count = libc.recvmmsg(this.#fd, batch.messages, BATCH, MSG_DONTWAIT, null);
    if (count < 0) {
      const error = errno();
      if (error !== EAGAIN && error !== EINTR) this.#events.failed(new SystemCallError("recv", error));
      return;
    }
    for (let i = 0; i < count && this.#isOpen; i++) this.#events.received(batch.payload(i));
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
