/** What the daemon and its names worker say to each other, by postMessage: plain data. */
import type { Accounts } from "../peer/socket_owner.ts";
import type { NameServerStats } from "./server.ts";
import type { CustomDomain, Surroundings, ZoneChange, ZoneData } from "./zone_data.ts";

export type ToNamesWorker =
  /**
   * Opens stand-ins, answered with "standIns". Again with other nameservers when resolv.conf has changed: those that stay
   * keep their sockets.
   */
  | {
    readonly kind: "start";
    /** The user, whose uid also picks the addresses. */
    readonly uid: number;
    /** Who is answered: the user, their subuids. */
    readonly accounts: Accounts;
    /** As in resolv.conf, those that can be stood in for (canStandIn). */
    readonly nameservers: readonly string[];
    /**
     * An address that systemd-resolved asks (the user's own pmz address, once the device is there): answered to every account,
     * and what isn't pmz's doesn't exist.
     */
    readonly link?: string;
  }
  /** Replaces all that is known of all clusters. */
  | { readonly kind: "zones"; readonly zones: readonly ZoneData[] }
  | { readonly kind: "zone"; readonly zone: ZoneData }
  | { readonly kind: "change"; readonly change: ZoneChange }
  | { readonly kind: "gone"; readonly cluster: string }
  | { readonly kind: "custom"; readonly domains: readonly CustomDomain[] }
  | { readonly kind: "surroundings"; readonly surroundings: Surroundings }
  /** The beat map of the helper, by its descriptor in this process; from now on it is beaten. The worker closes the descriptor. */
  | { readonly kind: "beat"; readonly fd: number }
  | { readonly kind: "stats" }
  /** Closes everything, answered with "stopped". */
  | { readonly kind: "stop" };

/** A stand-in that is open. The descriptors are the worker's own: duplicated by whoever sends them on, never closed. */
export interface OpenStandIn {
  readonly nameserver: string;
  /** "127.96.3.232:40053", "[::1]:40053" */
  readonly standIn: string;
  readonly udpFd: number;
  readonly tcpFd: number;
}

export type FromNamesWorker =
  | {
    readonly kind: "standIns";
    readonly standIns: readonly OpenStandIn[];
    /** Where systemd-resolved may ask: "198.18.255.254:40053". */
    readonly link?: string;
    /** Those that could not be opened: their queries go on as without pmz. */
    readonly failed: readonly { readonly nameserver: string; readonly why: string }[];
  }
  | { readonly kind: "stats"; readonly stats: NameServerStats }
  /** A request could not be done. */
  | { readonly kind: "failed"; readonly request: ToNamesWorker["kind"]; readonly why: string }
  | { readonly kind: "stopped" };
