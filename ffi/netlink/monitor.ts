import { addressOfBuffer, libc, must, SOCK_CLOEXEC } from "../libc.ts";
import { otherTables, type OwnThings, touched } from "./monitor_filter.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const MSG_DONTWAIT = 0x40;
const NLMSG_NOOP = 1;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
/** RTNLGRP_LINK, and IFADDR, ROUTE and RULE of IPv4 and IPv6 (linux/rtnetlink.h). */
const GROUPS = [1, 5, 7, 8, 9, 11, 19].reduce((mask, group) => mask | 1 << (group - 1), 0);
/** Bytes that the kernel keeps for us: what comes beyond is lost, and told as a change. */
const BUFFER = 256 * 1024;

/** Which changes are told; all without it. */
export type MonitorOptions =
  | {
    /** Tables whose routes are no news: `first` and those after it, `count` of them. */
    readonly without?: { readonly first: number; readonly count: number };
  }
  | {
    /** The only things whose changes are news. */
    readonly only: OwnThings;
  };

/**
 * Tells that links, addresses, routes or rules of a network namespace have changed (`man 7 rtnetlink`), not what: the listener
 * reads what it wants to know. Needs no rights. A wait blocks a thread of Deno's pool. For the main thread only: a Worker that is
 * terminated during a wait would free the buffer that the kernel writes to.
 */
export class NetworkMonitor implements AsyncDisposable {
  readonly #fd: number;
  readonly #into = new Uint8Array(64 * 1024);
  #waiting: Promise<number | bigint> | undefined;
  #closed = false;

  /** @throws {SystemCallError} */
  constructor(options: MonitorOptions = {}) {
    this.#fd = must("socket(NETLINK_ROUTE)", libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    try {
      this.#option(SO_RCVBUF, new Uint8Array(new Int32Array([BUFFER]).buffer));
      // Before it listens: the filter sees no message that is there already.
      if ("only" in options) this.#filter(touched(options.only));
      else if (options.without) this.#filter(otherTables(options.without.first, options.without.count));
      const address = new Uint8Array(12); // struct sockaddr_nl
      const view = new DataView(address.buffer);
      view.setUint16(0, AF_NETLINK, true);
      view.setUint32(8, GROUPS, true);
      must("listening to rtnetlink", libc.bind(this.#fd, address, address.length));
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
  }

  /**
   * Waits until something has changed since the last call; several changes count once. One wait at a time.
   * @returns false when this was closed
   */
  async changed(): Promise<boolean> {
    if (this.#closed) return false;
    this.#waiting = libc.recvWaiting(this.#fd, this.#into, BigInt(this.#into.length), 0);
    await this.#waiting; // a failure means that messages were lost (ENOBUFS): something has changed too
    this.#waiting = undefined;
    if (!this.#closed) {
      while (
        libc.recv(this.#fd, this.#into, BigInt(this.#into.length), MSG_DONTWAIT) > 0
      );
    }
    return !this.#closed;
  }

  /** A wait that is under way returns false. Closing twice is fine. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // shutdown(2) is unknown to netlink: the answer to a message without effect wakes the thread that waits.
    const noop = new Uint8Array(16);
    const view = new DataView(noop.buffer);
    view.setUint32(0, noop.length, true);
    view.setUint16(4, NLMSG_NOOP, true);
    view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, true);
    libc.send(this.#fd, noop, BigInt(noop.length), 0);
    await this.#waiting;
    libc.close(this.#fd);
  }

  #filter(program: Uint8Array<ArrayBuffer>): void {
    const value = new Uint8Array(16); // struct sock_fprog
    const view = new DataView(value.buffer);
    view.setUint16(0, program.length / 8, true);
    view.setBigUint64(8, addressOfBuffer(program), true);
    this.#option(SO_ATTACH_FILTER, value);
    program.fill(0); // it is reachable until here; the kernel has its own copy
  }

  #option(name: number, value: Uint8Array<ArrayBuffer>): void {
    must("setsockopt", libc.setsockopt(this.#fd, SOL_SOCKET, name, value, value.length));
  }
}
