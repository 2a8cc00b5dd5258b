/** What the daemon's main thread asks of the names worker, over a channel (threads/channel.ts). */
import type { Accounts } from "../ffi/proc/socket_owner.ts";
import type { CapturedChange } from "./captured_addresses.ts";
import type { NameServerStats } from "./server/stats.ts";
import type { CustomDomain, Surroundings, ZoneChange, ZoneData } from "./zone/zone_data.ts";

/** The nameservers that get stubs, and the accounts that are answered. */
export interface WantedStubs {
  /** The user; the uid also decides the stubs' addresses. */
  readonly uid: number;
  /** The accounts that are answered: the user with their subuids, and those that are inside as well. */
  readonly accounts: Accounts;
  /** Those of resolv.conf whose queries can be redirected; an IPv6 link-local one with its interface: "fe80::1%eth0". */
  readonly nameservers: readonly string[];
}

/** An open stub. Its descriptors belong to the worker: other parts of the process may send them on, and never close them. */
export interface OpenStub {
  readonly nameserver: string;
  /** "127.96.3.232:40053", "[::1]:40053" */
  readonly stub: string;
  readonly udpFd: number;
  readonly tcpFd: number;
}

export interface OpenStubs {
  /** In the order of the nameservers. */
  readonly stubs: readonly OpenStub[];
  /** Nameservers without a stub: their queries pass as without pmz. */
  readonly failed: readonly { readonly nameserver: string; readonly why: string }[];
}

export interface NamesStats extends NameServerStats {
  /** Names of the internet that led to captured addresses, and whose answers lost those; the last ones. */
  readonly rebinding: readonly string[];
}

/** Addresses outside the cluster that a Service's name would lead to, and doesn't. */
export interface LeftOut {
  readonly name: string;
  /** The name outside. */
  readonly target: string;
  readonly addresses: readonly { readonly address: string; readonly why: string }[];
  /** The nameserver has answered, and has no address for it. */
  readonly isUnknown?: true;
}

export type NamesCalls = {
  /** Opens stubs. Called again when resolv.conf has changed: stubs that stay keep their sockets. */
  stubs(wanted: WantedStubs): Promise<OpenStubs>;
  /** Sets or replaces one cluster's names. */
  zone(zone: ZoneData): void;
  /** Changes some Services of a cluster. */
  change(change: ZoneChange): void;
  /** Forgets a cluster. */
  gone(cluster: string): void;
  /** Changes which addresses are captured, and for which cluster. */
  captured(change: CapturedChange): void;
  custom(domains: readonly CustomDomain[]): void;
  /** Replaces the domains of the internet whose names may lead to captured addresses. */
  allow(domains: readonly string[]): void;
  surroundings(surroundings: Surroundings): void;
  /** Starts the heartbeat in the helper's map of this descriptor, which may be closed when the call has settled. */
  beat(fd: number): void;
  /** What the names of ExternalNames would lead to and don't, as the first nameserver has it now. */
  leftOut(names: readonly string[]): Promise<readonly LeftOut[]>;
  /** Answers at once, as long as the worker doesn't hang. */
  ping(argument: null): void;
  /** The counts of all stubs together. */
  stats(argument: null): NamesStats;
};

/** What the names worker tells the main thread. */
export type NamesReports = {
  /** A line for the daemon's log. */
  log(message: string): void;
};
