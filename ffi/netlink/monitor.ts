import { NetlinkMulticast } from "./multicast.ts";
import { otherTables, type OwnThings, touched } from "./monitor_filter.ts";

const NETLINK_ROUTE = 0;
/** RTNLGRP_LINK, and IFADDR, ROUTE and RULE of IPv4 and IPv6 (linux/rtnetlink.h). */
const GROUPS = [1, 5, 7, 8, 9, 11, 19];
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
 * reads what it wants to know.
 */
export class NetworkMonitor implements AsyncDisposable {
  readonly #socket: NetlinkMulticast;

  /** @throws {SystemCallError} */
  constructor(options: MonitorOptions = {}) {
    this.#socket = new NetlinkMulticast({
      name: "rtnetlink",
      protocol: NETLINK_ROUTE,
      groups: GROUPS,
      buffer: BUFFER,
      longest: 64 * 1024,
      filter: filterOf(options),
    });
  }

  /**
   * Waits until something has changed since the last call; several changes count once, and so does what was lost. One wait at a time.
   * @returns false when this was closed
   */
  changed(): Promise<boolean> {
    return this.#socket.next();
  }

  /** A wait that is under way returns false. Closing twice is fine. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#socket[Symbol.asyncDispose]();
  }
}

function filterOf(options: MonitorOptions): Uint8Array<ArrayBuffer> | undefined {
  if ("only" in options) return touched(options.only);
  return options.without && otherTables(options.without.first, options.without.count);
}
