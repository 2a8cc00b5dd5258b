import { addressOf, type IpAddress } from "../../net/address.ts";
import { AF_INET, AF_INET6 } from "../libc.ts";
import { NetlinkMulticast } from "./multicast.ts";
import { closedFrom } from "./udp_closings_filter.ts";

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
/** SKNLGRP_INET_UDP_DESTROY and SKNLGRP_INET6_UDP_DESTROY (linux/sock_diag.h, 4.3). */
const GROUPS = [2, 4];
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
 * the families that it may have sent by.
 */
export class UdpClosings implements AsyncDisposable {
  readonly #socket: NetlinkMulticast;

  /** @throws {SystemCallError} on a kernel without inet_diag */
  constructor(own4: IpAddress, own6?: IpAddress) {
    this.#socket = new NetlinkMulticast({
      name: "sock_diag",
      protocol: NETLINK_SOCK_DIAG,
      groups: GROUPS,
      buffer: BUFFER,
      longest: 8 * 1024,
      filter: closedFrom(own4, own6),
    });
  }

  /** Waits until sockets were closed. One wait at a time. @returns undefined when this was closed */
  async next(): Promise<ClosedSocket[] | undefined> {
    const closed: ClosedSocket[] = [];
    const isOpen = await this.#socket.next((message) => void closed.push(...closedIn(message)));
    return isOpen ? closed : undefined;
  }

  /** A wait that is under way returns undefined. Closing twice is fine. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket[Symbol.asyncDispose]();
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
