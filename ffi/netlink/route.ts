import { addressOf, type IpAddress } from "../../net/address.ts";
import { AF_INET, AF_INET6, SystemCallError } from "../libc.ts";
import { attributesOf, type Netlink, NLM_F_CREATE, NLM_F_REPLACE, u32, withAttributes } from "./netlink.ts";

/** The table by which the kernel knows its own addresses (RT_TABLE_LOCAL). */
export const LOCAL_TABLE = 255;

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTPROT_STATIC = 4;
const RT_SCOPE_HOST = 254;
const ENOENT = 2;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
/** struct rtmsg, struct rtnexthop. */
const RTMSG = 12;
const NEXTHOP = 8;

/** Local routes to single addresses, in a table of one's own: the kernel delivers to them as if they were its own. */
export interface LocalRoutes {
  readonly table: number;
  /** The device's index: the routes go when it goes. */
  readonly device: number;
  /** What connections to these addresses come from, by address family. */
  readonly source4: IpAddress;
  readonly source6: IpAddress | undefined;
}

/** Adds routes, or replaces those that are there; says for each address 0 or the kernel's errno. @throws {SystemCallError} */
export function addLocalRoutes(
  netlink: Netlink,
  routes: LocalRoutes,
  addresses: readonly IpAddress[],
): number[] {
  return netlink.doAll(addresses.map((address) => {
    const source = address.family === 4 ? routes.source4 : routes.source6;
    return {
      type: RTM_NEWROUTE,
      flags: NLM_F_CREATE | NLM_F_REPLACE,
      body: localRoute(routes, address, source),
    };
  }));
}

/** Deletes routes; says for each address 0 or the kernel's errno (ESRCH: there was none). @throws {SystemCallError} */
export function deleteLocalRoutes(
  netlink: Netlink,
  routes: LocalRoutes,
  addresses: readonly IpAddress[],
): number[] {
  return netlink.doAll(addresses.map((address) => ({
    type: RTM_DELROUTE,
    body: localRoute(routes, address, undefined),
  })));
}

function localRoute(routes: LocalRoutes, address: IpAddress, source: IpAddress | undefined) {
  const family = address.family === 4 ? AF_INET : AF_INET6;
  const fixed = new Uint8Array(RTMSG);
  fixed.set([family, address.family === 4 ? 32 : 128, 0, 0, 0, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL]);
  const attributes: [number, Uint8Array][] = [
    [RTA_DST, wireBytes(address)],
    [RTA_OIF, u32(routes.device)],
    [RTA_TABLE, u32(routes.table)],
  ];
  if (source) attributes.push([RTA_PREFSRC, wireBytes(source)]);
  return withAttributes(fixed, attributes);
}

/** What is in a table of one's own. */
export interface TableContents {
  /** Addresses with the route that `addLocalRoutes` gives them, as text. */
  readonly right: ReadonlySet<string>;
  /** Of all other routes: the messages that describe them. */
  readonly others: readonly Uint8Array[];
}

/** Reads the table of one's own routes. @throws {SystemCallError} */
export function readLocalRoutes(netlink: Netlink, routes: LocalRoutes): TableContents {
  const right = new Set<string>();
  const others: Uint8Array[] = [];
  for (const family of [AF_INET, AF_INET6]) {
    for (const body of dumpOf(netlink, routes.table, family)) {
      const route = routeOf(body);
      if (route.table !== routes.table) continue; // kernels before 4.20 send all tables
      if (isLocalRoute(routes, route, body)) right.add(route.destination.text);
      else others.push(body);
    }
  }
  return { right, others };
}

function isLocalRoute(routes: LocalRoutes, route: Route, body: Uint8Array<ArrayBuffer>): boolean {
  const source = attributesOf(body, RTMSG).get(RTA_PREFSRC);
  const own = route.family === 4 ? routes.source4 : routes.source6;
  return route.kind === "local" && route.device === routes.device &&
    route.bits === (route.family === 4 ? 32 : 128) &&
    source !== undefined && wireAddress(source, route.family).text === own?.text;
}

/** Deletes routes that `readLocalRoutes` has described; says for each 0 or the kernel's errno. @throws {SystemCallError} */
export function deleteRoutes(netlink: Netlink, bodies: readonly Uint8Array[]): number[] {
  return netlink.doAll(bodies.map((body) => ({ type: RTM_DELROUTE, body })));
}

/** A route as the kernel has it. */
export interface Route {
  readonly family: 4 | 6;
  readonly table: number;
  /** Where it goes to: as many bits of it as `bits`. */
  readonly destination: IpAddress;
  readonly bits: number;
  readonly kind: "unicast" | "local" | "other";
  readonly gateways: readonly IpAddress[];
  /** The device's index; 0 when it has several, or none. */
  readonly device: number;
}

/** Every route of these tables, and of no other: a table of tens of thousands costs nothing here. @throws {SystemCallError} */
export function routesOf(netlink: Netlink, tables: Iterable<number>): Route[] {
  return [...tables].flatMap((table) =>
    [AF_INET, AF_INET6].flatMap((family) => routesIn(netlink, table, family))
  );
}

function routesIn(netlink: Netlink, table: number, family: number): Route[] {
  return dumpOf(netlink, table, family).map(routeOf)
    .filter((route) => route.table === table); // kernels before 4.20 send all tables
}

function dumpOf(netlink: Netlink, table: number, family: number): Uint8Array<ArrayBuffer>[] {
  const fixed = new Uint8Array(RTMSG);
  fixed[0] = family;
  try {
    return netlink.dump("reading the routes", RTM_GETROUTE, withAttributes(fixed, [[RTA_TABLE, u32(table)]]));
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === ENOENT) return []; // a table that nothing was put into yet
    throw error;
  }
}

function routeOf(body: Uint8Array<ArrayBuffer>): Route {
  const family = body[0] === AF_INET ? 4 : 6;
  const attributes = attributesOf(body, RTMSG);
  const number = (type: number) => {
    const value = attributes.get(type);
    return value && value.length >= 4 ? new DataView(value.buffer, value.byteOffset).getUint32(0, true) : 0;
  };
  const kind = body[7] === RTN_UNICAST ? "unicast" : body[7] === RTN_LOCAL ? "local" : "other";
  return {
    family,
    table: number(RTA_TABLE) || (body[4] ?? 0),
    destination: wireAddress(attributes.get(RTA_DST) ?? new Uint8Array(family === 4 ? 4 : 16), family),
    bits: body[1] ?? 0,
    kind,
    gateways: [...gatewaysOf(attributes, family)],
    device: number(RTA_OIF),
  };
}

function* gatewaysOf(attributes: Map<number, Uint8Array<ArrayBuffer>>, family: 4 | 6): Generator<IpAddress> {
  const gateway = attributes.get(RTA_GATEWAY);
  if (gateway) yield wireAddress(gateway, family);
  const via = attributes.get(RTA_VIA); // struct rtvia: an IPv4 route by an IPv6 gateway
  if (via && via.length >= 6) {
    const viaFamily = new DataView(via.buffer, via.byteOffset).getUint16(0, true) === AF_INET ? 4 : 6;
    yield wireAddress(via.subarray(2), viaFamily);
  }
  const several = attributes.get(RTA_MULTIPATH);
  for (let at = 0; several && at + NEXTHOP <= several.length;) {
    const length = new DataView(several.buffer, several.byteOffset + at).getUint16(0, true);
    if (length < NEXTHOP) break;
    yield* gatewaysOf(attributesOf(several.subarray(at, at + length), NEXTHOP), family);
    at += (length + 3) & ~3;
  }
}

/** As netlink has it: 4 bytes or 16. */
export function wireBytes(address: IpAddress): Uint8Array<ArrayBuffer> {
  return address.family === 4 ? address.bytes.slice(12) : address.bytes;
}

/** From 4 bytes or 16. */
export function wireAddress(bytes: Uint8Array, family: 4 | 6): IpAddress {
  const whole = new Uint8Array(16);
  if (family === 6) whole.set(bytes.subarray(0, 16));
  else {
    whole.set([0xff, 0xff], 10);
    whole.set(bytes.subarray(0, 4), 12);
  }
  return addressOf(whole);
}
