import { allAddresses, allLinks, type Link, type OwnAddress } from "../ffi/netlink/link.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import { type Route, routesOf } from "../ffi/netlink/route.ts";
import { allRules } from "../ffi/netlink/rule.ts";
import { type Range, rangeOf } from "../net/range.ts";
import { isTableOfPmz } from "../wire/helper.ts";

/** Shorter prefixes are default routes, whole or in parts (a VPN's 0.0.0.0/1 and 128.0.0.0/1), not networks. */
const SHORTEST = 8;
const MAIN_TABLE = 254;

/** A network, and the device that leads to it. */
export interface Network {
  readonly range: Range;
  readonly device: string;
}

/** The networks that this machine is in or has routes to, without pmz's own. */
export interface Networks {
  /** The machine's own addresses, and the device of each. */
  readonly own: ReadonlyMap<string, string>;
  /** Those that its addresses are in. */
  readonly onLink: readonly Network[];
  /** Those that a route leads to, by another way than the default route's (VPNs and the like), or to the machine itself. */
  readonly routed: readonly Network[];
  readonly gateways: ReadonlySet<string>;
}

/**
 * Reads the networks of this machine. pmz's own tables aren't read, however large they are.
 * @param device the index of the user's own device, which may have another name for a moment
 * @throws {SystemCallError}
 */
export function readNetworks(netlink: Netlink, device?: number): Networks {
  const links = allLinks(netlink);
  const nameOf = (device: number) => links.find(({ index }) => index === device)?.name ?? "several devices";
  const ours = devicesOfPmz(links);
  if (device !== undefined) ours.add(device);
  const addresses = foreignAddresses(netlink, ours);
  const routes = foreignRoutes(netlink, ours);
  const defaults = new Set(routes.filter(isDefault).map(wayOf));
  const isElsewhere = (route: Route) =>
    route.kind === "unicast" && !isDefault(route) && !defaults.has(wayOf(route));
  return {
    own: new Map(addresses.map(({ address, device }) => [address.text, nameOf(device)])),
    onLink: addresses.map((one) => ({ range: rangeOfNetwork(one), device: nameOf(one.device) })),
    routed: routes.filter((route) => route.kind === "local" || isElsewhere(route))
      .map((route) => ({ range: rangeOfNetwork(route), device: nameOf(route.device) })),
    gateways: new Set(routes.flatMap(({ gateways }) => gateways.map(({ text }) => text))),
  };
}

/** The indexes of pmz's devices, of this user and of others. */
export function devicesOfPmz(links: readonly Link[]): Set<number> {
  return new Set(links.filter(({ name }) => /^pmz[0-9]+$/.test(name)).map(({ index }) => index));
}

/** The addresses of all devices but pmz's. @throws {SystemCallError} */
export function foreignAddresses(netlink: Netlink, ours: ReadonlySet<number>): OwnAddress[] {
  return allAddresses(netlink).filter(({ device }) => !ours.has(device));
}

/** The routes of all tables that the rules of this machine lead to, without pmz's. @throws {SystemCallError} */
export function foreignRoutes(netlink: Netlink, ours: ReadonlySet<number>): Route[] {
  const tables = allRules(netlink).flatMap(({ action, table }) =>
    action === "lookup" && !isTableOfPmz(table) ? [table] : []
  );
  return routesOf(netlink, new Set([MAIN_TABLE, ...tables])).filter(({ device }) => !ours.has(device));
}

export function isDefault({ bits }: Route): boolean {
  return bits < SHORTEST;
}

/** The network that an address or a route is about. */
export function rangeOfNetwork(one: OwnAddress | Route): Range {
  return rangeOf("destination" in one ? one.destination : one.address, one.bits);
}

/** Where a route leads: two routes of the same way differ in their destinations only. */
function wayOf({ family, device, gateways }: Route): string {
  return [family, device, ...gateways.map(({ text }) => text)].join(" ");
}
