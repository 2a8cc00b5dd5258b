import { allAddresses } from "../ffi/netlink/link.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import { allRoutes, type Route } from "../ffi/netlink/route.ts";
import { SockDiag } from "../ffi/netlink/sock_diag.ts";
import { type IpAddress, parseAddress } from "../net/address.ts";
import { type Range, rangeOf } from "../net/range.ts";

/** What the laptop itself uses now: none of it may be captured. */
export interface Machine {
  /** Its own addresses, and the networks that they are in. */
  readonly own: ReadonlySet<string>;
  readonly onLink: readonly Range[];
  readonly gateways: ReadonlySet<string>;
  readonly nameservers: ReadonlySet<string>;
  /** The remote addresses of open connections. */
  readonly peers: ReadonlySet<string>;
}

/** The files in which resolvers keep their nameservers. */
const RESOLV_CONF = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/resolvconf/resolv.conf"];

/**
 * Reads what the laptop uses.
 * @param pmz which devices, and which addresses on them, are pmz's own: they don't count
 */
export function readMachine(
  netlink: Netlink,
  pmz: { readonly isDevice: (index: number) => boolean; readonly isSource: (address: string) => boolean },
): Machine {
  const addresses = allAddresses(netlink).filter(({ device }) => !pmz.isDevice(device));
  return {
    own: new Set(addresses.map(({ address }) => address.text)),
    onLink: addresses.map(({ address, bits }) => rangeOf(address, bits)),
    gateways: new Set(allRoutes(netlink).flatMap(gatewaysOf)),
    nameservers: new Set(RESOLV_CONF.flatMap(nameserversOf)),
    peers: openPeers(pmz.isSource),
  };
}

function gatewaysOf(route: Route): string[] {
  return route.gateways.map(({ text }) => text);
}

/** The nameservers of a resolv.conf (`man 5 resolv.conf`); empty where there is no such file. */
export function nameserversOf(path: string): string[] {
  let text: string;
  try {
    text = Deno.readTextFileSync(path);
  } catch {
    return []; // nothing there to protect
  }
  return text.split("\n").flatMap((line) => {
    const given = /^\s*nameserver\s+([^\s#;%]+)/.exec(line)?.[1];
    const address: IpAddress | undefined = given === undefined ? undefined : parseAddress(given);
    return address ? [address.text] : [];
  });
}

/** The remote ends of open connections, which would break when they are captured; without connections that are captured already. */
function openPeers(isSource: (address: string) => boolean): Set<string> {
  using diag = new SockDiag();
  const peers = diag.connectionsTo(0).filter(({ local, remote }) =>
    !isSource(local.address.text) && !isSource(remote.address.text)
  );
  return new Set(peers.map(({ remote }) => remote.address.text));
}
