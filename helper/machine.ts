import { allAddresses, allLinks } from "../ffi/netlink/link.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import { SockDiag } from "../ffi/netlink/sock_diag.ts";
import { type IpAddress, parseAddress } from "../net/address.ts";
import { devicesOfPmz, type Networks } from "./networks.ts";

/** What the laptop itself uses now: none of it may be captured. */
export interface Machine extends Networks {
  readonly nameservers: ReadonlySet<string>;
  /** The remote addresses of open connections, but for those that are captured. */
  readonly peers: ReadonlySet<string>;
}

/** The files in which resolvers keep their nameservers. */
const RESOLV_CONF = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/resolvconf/resolv.conf"];

/** The nameservers of this machine. */
export function readNameservers(): Set<string> {
  return new Set(RESOLV_CONF.flatMap(nameserversOf));
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

/**
 * The remote ends of open connections, which would break when they are captured. Captured connections, whichever user they are of,
 * have an address of pmz's at one end and don't count.
 */
export function readPeers(netlink: Netlink): Set<string> {
  const ours = devicesOfPmz(allLinks(netlink));
  const addresses = allAddresses(netlink).filter(({ device }) => ours.has(device));
  const isOurs = new Set(addresses.map(({ address }) => address.text));
  using diag = new SockDiag();
  const peers = new Set<string>();
  // One of each peer: a server with a hundred thousand connections has far fewer peers than those.
  diag.connectionsTo(0, ({ local, remote }) => {
    const { text } = remote.address;
    if (isOurs.has(local.address.text) || isOurs.has(text) || peers.has(text)) return false;
    peers.add(text);
    return true;
  });
  return peers;
}
