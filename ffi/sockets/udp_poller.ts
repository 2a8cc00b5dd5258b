/**
 * UDP sockets that are read together.
 *
 * Hot path: a datagram costs a view and a part of a system call when it is received, one system call when it is sent, and no promise.
 * Deno's own sockets cost 1.6 times the CPU under load, and a pending read of theirs pins a buffer of the largest datagram's size,
 * 64 KiB for each socket, where these share one set of buffers (docs/decisions.md). While nothing comes, one thread waits for all.
 */
import { setImmediate } from "node:timers";
import type { Endpoint } from "../../net/address.ts";
import { AF_INET, AF_INET6, libc, must, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "../libc.ts";
import { BoundUdp, type BoundUdpEvents } from "./bound_udp.ts";
import { ConnectedUdp, type ConnectedUdpEvents } from "./connected_udp.ts";
import { type PolledSocket, ReceiveBatch } from "./receive_batch.ts";
import { socketAddress } from "./socket.ts";

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
const EFD_CLOEXEC_NONBLOCK = 0x80800;
const FOREVER = -1;

/** Sockets that are told to be readable together. */
const READY = 64;
/** Turns of the event loop to look for more before the thread waits: an answer often follows at once, and waking costs 20 µs. */
const TURNS = 2;
/** struct epoll_event is packed on x86-64 only (man 2 epoll_ctl). */
const EVENT = Deno.build.arch === "x86_64" ? { bytes: 12, fd: 4 } : { bytes: 16, fd: 8 };

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Opens UDP sockets and reads them all. Sockets that are open when it is disposed of are closed. */
export class UdpPoller implements AsyncDisposable {
  readonly #epoll: number;
  /** An eventfd that ends the wait. */
  readonly #wake: number;
  readonly #sockets = new Map<number, PolledSocket>();
  readonly #events = new Uint8Array(EVENT.bytes * READY);
  readonly #eventView = new DataView(this.#events.buffer);
  readonly #batch = new ReceiveBatch();
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
  open(to: Endpoint, events: ConnectedUdpEvents): ConnectedUdp {
    const fd = this.#socket(to, (fd, name) => must("connect", libc.connect(fd, name, name.length)));
    return this.#add(fd, new ConnectedUdp(fd, events, this.#forget));
  }

  /**
   * Opens a socket that is bound to an address and takes datagrams from anybody.
   * @param local port 0: any that is free
   * @throws {SystemCallError}
   */
  bind(local: Endpoint, events: BoundUdpEvents): BoundUdp {
    const fd = this.#socket(local, (fd, name) => must("bind", libc.bind(fd, name, name.length)));
    return this.#add(fd, new BoundUdp(fd, events, this.#forget));
  }

  #socket(end: Endpoint, set: (fd: number, name: Uint8Array<ArrayBuffer>) => void): number {
    const family = end.address.family === 4 ? AF_INET : AF_INET6;
    const fd = must("socket", libc.socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    try {
      set(fd, socketAddress(end));
      this.#watch(fd);
    } catch (error) {
      libc.close(fd);
      throw error;
    }
    return fd;
  }

  #add<Socket extends PolledSocket>(fd: number, socket: Socket): Socket {
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
        const socket = this.#sockets.get(fd);
        if (socket !== undefined) this.#readOne(socket);
      }
    }
  }

  #readOne(socket: PolledSocket): void {
    try {
      socket.read(this.#batch);
    } catch (error) {
      // The others go on.
      socket.close();
      socket.failed(error instanceof Error ? error : new Error(String(error)));
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
