import { addressOfBuffer, libc, must, SOCK_CLOEXEC } from "../libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const MSG_DONTWAIT = 0x40;
const NLMSG_NOOP = 1;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
/** Messages that one wait gives at most: other work has its turn where they come without end. */
const BATCH = 256;
/** struct nlmsghdr. */
const HEADER = 16;

/** What a socket of netlink's multicast groups is told. */
export interface MulticastGroups {
  /** For errors: "sock_diag". */
  readonly name: string;
  /** The netlink protocol, NETLINK_ROUTE or the like. */
  readonly protocol: number;
  /** The numbers of the groups, counted from 1. */
  readonly groups: readonly number[];
  /** Bytes that the kernel keeps for us: what comes beyond is lost. */
  readonly buffer: number;
  /** Bytes of the longest message. */
  readonly longest: number;
  /** A classic BPF program that keeps the messages that are wanted; it is overwritten once the kernel has it. */
  readonly filter?: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * A socket that is told what the kernel tells to multicast groups of netlink. Needs no rights. A wait blocks a thread of Deno's pool.
 * For the main thread only: a Worker that is terminated during a wait would free the buffer that the kernel writes to.
 */
export class NetlinkMulticast implements AsyncDisposable {
  readonly #fd: number;
  readonly #into: Uint8Array<ArrayBuffer>;
  #waiting: Promise<number | bigint> | undefined;
  #isClosed = false;

  /** @throws {SystemCallError} */
  constructor({ name, protocol, groups, buffer, longest, filter }: MulticastGroups) {
    this.#into = new Uint8Array(longest);
    this.#fd = must(`socket of ${name}`, libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    try {
      this.#option(SO_RCVBUF, new Uint8Array(new Int32Array([buffer]).buffer));
      if (filter) this.#filter(filter); // before it listens: it sees no message that is there already
      const address = new Uint8Array(12); // struct sockaddr_nl
      const view = new DataView(address.buffer);
      view.setUint16(0, AF_NETLINK, true);
      view.setUint32(8, groups.reduce((mask, group) => mask | 1 << (group - 1), 0), true);
      must(`listening to ${name}`, libc.bind(this.#fd, address, address.length));
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
  }

  /**
   * Waits until something is told, and gives `message` what is there, as far as it is no more than a batch. Nothing is given where messages were lost (ENOBUFS). One wait
   * at a time.
   * @param message what it gets is valid during the call only
   * @returns false when this was closed
   */
  async next(message?: (bytes: Uint8Array<ArrayBuffer>) => void): Promise<boolean> {
    if (this.#isClosed) return false;
    this.#waiting = libc.recvWaiting(this.#fd, this.#into, BigInt(this.#into.length), 0);
    let length = Number(await this.#waiting);
    this.#waiting = undefined;
    for (let count = 1; !this.#isClosed && length > 0; count++) {
      message?.(this.#into.subarray(0, length));
      if (count === BATCH) break;
      length = Number(libc.recv(this.#fd, this.#into, BigInt(this.#into.length), MSG_DONTWAIT));
    }
    return !this.#isClosed;
  }

  /** A wait that is under way returns false. Closing twice is fine. */
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
