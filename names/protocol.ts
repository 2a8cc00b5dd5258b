/** What the daemon's main thread asks of the names worker, over a channel (worker_channel.ts). */
import type { Accounts } from "../ffi/proc/socket_owner.ts";
import type { NameServerStats } from "./server/stats.ts";
import type { CustomDomain, Surroundings, ZoneChange, ZoneData } from "./zone/zone_data.ts";

/** Whom to stand in for, and whom to answer. */
export interface WantedStandIns {
  /** The user, whose uid also picks the addresses. */
  readonly uid: number;
  /** Who is answered: the user, their subuids. */
  readonly accounts: Accounts;
  /** As in resolv.conf, those that can be stood in for (canStandIn). */
  readonly nameservers: readonly string[];
}

/** A stand-in that is open. The descriptors are the worker's own: duplicated by whoever sends them on, never closed. */
export interface OpenStandIn {
  readonly nameserver: string;
  /** "127.96.3.232:40053", "[::1]:40053" */
  readonly standIn: string;
  readonly udpFd: number;
  readonly tcpFd: number;
}

export interface OpenStandIns {
  /** In the order of the nameservers. */
  readonly standIns: readonly OpenStandIn[];
  /** Those that could not be opened: their queries go on as without pmz. */
  readonly failed: readonly { readonly nameserver: string; readonly why: string }[];
}

export type NamesCalls = {
  /** Opens stand-ins; again when resolv.conf has changed: those that stay keep their sockets. */
  standIns(wanted: WantedStandIns): Promise<OpenStandIns>;
  /** Sets or replaces one cluster's names. */
  zone(zone: ZoneData): void;
  /** Changes some Services of a cluster. */
  change(change: ZoneChange): void;
  /** Forgets a cluster. */
  gone(cluster: string): void;
  custom(domains: readonly CustomDomain[]): void;
  surroundings(surroundings: Surroundings): void;
  /** Beats from now on in the helper's map of this descriptor, which may be closed when the call has settled. */
  beat(fd: number): void;
  /** What all stand-ins together have counted. */
  stats(argument: null): NameServerStats;
};

/** The names worker asks nothing of the main thread. */
export type NoCalls = Record<never, never>;
