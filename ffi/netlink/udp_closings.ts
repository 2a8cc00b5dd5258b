import { addressOf, type IpAddress } from "../../net/address.ts";
import { addressOfBuffer, AF_INET, AF_INET6, libc, must, SOCK_CLOEXEC } from "../libc.ts";
import { closedFrom } from "./udp_closings_filter.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_SOCK_DIAG = 4;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const MSG_DONTWAIT = 0x40;
const NLMSG_NOOP = 1;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const SOCK_DIAG_BY_FAMILY = 20;
/** SKNLGRP_INET_UDP_DESTROY and SKNLGRP_INET6_UDP_DESTROY (linux/sock_diag.h, 4.3). */
const GROUPS = [2, 4].reduce((mask, group) => mask | 1 << (group - 1), 0);
/** Bytes that the kernel keeps for us: closings that come beyond are not told. */
const BUFFER = 1024 * 1024;
/** struct nlmsghdr; in struct inet_diag_msg: the family, the source port, the source address; its length up to there. */
const HEADER = 16;
const [FAMILY, PORT, SOURCE, LONG_ENOUGH] = [HEADER, HEADER + 4, HEADER + 8, HEADER + 24];

/** A closed socket by which a program may have sent by one address family. */
export interface ClosedSocket {
  readonly family: 4 | 6;
  readonly port: number;
}

/**
 * Tells which UDP sockets of a network namespace were closed, of those that were bound to one of these addresses or to none: each by
 * the families that it may have sent by. Needs no rights. A wait blocks a thread of Deno's pool; for the main thread only, as
 * NetworkMonitor.
 */
export class UdpClosings implements AsyncDisposable {
  readonly #fd: number;
  readonly #into = new Uint8Array(8 * 1024);
  #waiting: Promise<number | bigint> | undefined;
  #isClosed = false;

  /** @throws {SystemCallError} on a kernel without inet_diag */
  constructor(own4: IpAddress, own6?: IpAddress) {
    this.#fd = must("socket(SOCK_DIAG)", libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
    try {
      this.#option(SO_RCVBUF, new Uint8Array(new Int32Array([BUFFER]).buffer));
      // Before it listens: the filter sees no message that is there already.
      const program = closedFrom(own4, own6);
      const filter = new Uint8Array(16); // struct sock_fprog
      const view = new DataView(filter.buffer);
      view.setUint16(0, program.length / 8, true);
      view.setBigUint64(8, addressOfBuffer(program), true);
      this.#option(SO_ATTACH_FILTER, filter);
      program.fill(0); // it is reachable until here; the kernel has its own copy
      const address = new Uint8Array(12); // struct sockaddr_nl
      const name = new DataView(address.buffer);
      name.setUint16(0, AF_NETLINK, true);
      name.setUint32(8, GROUPS, true);
      must("listening to sock_diag", libc.bind(this.#fd, address, address.length));
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
  }

  /** Waits until sockets were closed. One wait at a time. @returns undefined when this was closed */
  async next(): Promise<ClosedSocket[] | undefined> {
    if (this.#isClosed) return undefined;
    this.#waiting = libc.recvWaiting(this.#fd, this.#into, BigInt(this.#into.length), 0);
    let length = Number(await this.#waiting); // a failure means that closings were lost (ENOBUFS)
    this.#waiting = undefined;
    const closed: ClosedSocket[] = [];
    while (!this.#isClosed && length > 0) {
      closed.push(...closedIn(this.#into.subarray(0, length)));
      length = Number(libc.recv(this.#fd, this.#into, BigInt(this.#into.length), MSG_DONTWAIT));
    }
    return this.#isClosed ? undefined : closed;
  }

  /** A wait that is under way returns undefined. Closing twice is fine. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // shutdown(2) is unknown to netlink: the answer to a message without effect wakes the thread that waits.
    const noop = new Uint8Array(HEADER);
    const view = new DataView(noop.buffer);
    view.setUint32(0, noop.length, true);
    view.setUint16(4, NLMSG_NOOP, true);
    view.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, true);
    libc.send(this.#fd, noop, BigInt(noop.length), 0);
    await this.#waiting;
    libc.close(this.#fd);
  }

  #option(name: number, value: Uint8Array<ArrayBuffer>): void {
    must("setsockopt", libc.setsockopt(this.#fd, SOL_SOCKET, name, value, value.length));
  }
}

/** What one message tells: a notification is alone in its packet. */
export function closedIn(message: Uint8Array<ArrayBuffer>): ClosedSocket[] {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  if (message.length < LONG_ENOUGH || view.getUint16(4, true) !== SOCK_DIAG_BY_FAMILY) return [];
  const family = view.getUint8(FAMILY);
  const port = view.getUint16(PORT);
  if (family === AF_INET) return [{ family: 4, port }];
  if (family !== AF_INET6) return [];
  const source = addressOf(message.subarray(SOURCE, SOURCE + 16));
  if (source.text === "::") return [{ family: 4, port }, { family: 6, port }]; // it may have sent by either
  return [{ family: source.family, port }];
}
