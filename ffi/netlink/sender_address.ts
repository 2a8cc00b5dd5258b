import type { IpAddress } from "../../net/address.ts";
import { AF_INET, cstring, SystemCallError } from "../libc.ts";
import { type Netlink, NLM_F_CREATE, NLM_F_EXCL, u32, withAttributes } from "./netlink.ts";
import { LOCAL_TABLE, wireBytes } from "./route.ts";

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_LABEL = 3;
const IFA_F_NOPREFIXROUTE = 0x200;
const IFA_FLAGS = 8;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTN_LOCAL = 2;
const RTN_THROW = 9;
const RTPROT_STATIC = 4;
const [RT_SCOPE_UNIVERSE, RT_SCOPE_HOST] = [0, 254];
const BITS = 32;
const EEXIST = 17;
/** Answers where an address is gone, or its device is. */
const GONE = [19, 99]; // ENODEV, EADDRNOTAVAIL

/**
 * Gives a device an IPv4 address that sockets may send from (the kernel looks for it at a device of the machine), and nothing else: the
 * kernel's local route to it is taken away, so that no packet finds its way by it. Again for one that is there: its route may be back.
 * @param label of the address, which begins with the device's name
 * @throws {SystemCallError}
 */
export function addSenderAddress(netlink: Netlink, device: number, address: IpAddress, label: string): void {
  // One write, which the kernel works off at once: while the local route is there, lookups stop at the one before it, and continue in
  // the next table.
  const [, added = 0, deleted = 0] = netlink.doAll([
    { type: RTM_NEWROUTE, flags: NLM_F_CREATE | NLM_F_EXCL, body: route(address, RTN_THROW) },
    { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_EXCL, body: addressMessage(device, address, label) },
    { type: RTM_DELROUTE, body: route(address, RTN_LOCAL, device) },
    { type: RTM_DELROUTE, body: route(address, RTN_THROW) },
  ]);
  const what = `giving a device the address ${address.text} to send from`;
  if (added !== 0 && added !== EEXIST) throw new SystemCallError(what, added);
  if (added === 0 && deleted !== 0) throw new SystemCallError(what, deleted);
}

/** Takes it back; one that isn't there is no failure. @throws {SystemCallError} */
export function deleteSenderAddresses(
  netlink: Netlink,
  device: number,
  addresses: readonly IpAddress[],
): void {
  const requests = addresses.map((address) => ({ type: RTM_DELADDR, body: addressMessage(device, address) }));
  const failed = netlink.doAll(requests).find((errno) => errno !== 0 && !GONE.includes(errno));
  if (failed) throw new SystemCallError("taking back addresses to send from", failed);
}

function addressMessage(device: number, address: IpAddress, label?: string): Uint8Array<ArrayBuffer> {
  const fixed = new Uint8Array(8); // struct ifaddrmsg
  fixed.set([AF_INET, BITS]);
  fixed.set(u32(device), 4);
  return withAttributes(fixed, [
    [IFA_LOCAL, wireBytes(address)],
    [IFA_ADDRESS, wireBytes(address)],
    [IFA_FLAGS, u32(IFA_F_NOPREFIXROUTE)],
    ...label === undefined ? [] : [[IFA_LABEL, cstring(label)] as const],
  ]);
}

function route(address: IpAddress, kind: number, device?: number): Uint8Array<ArrayBuffer> {
  const fixed = new Uint8Array(12); // struct rtmsg
  const isLocal = kind === RTN_LOCAL;
  // A protocol of 0 is any, when a route is deleted.
  const [protocol, scope] = isLocal ? [0, RT_SCOPE_HOST] : [RTPROT_STATIC, RT_SCOPE_UNIVERSE];
  fixed.set([AF_INET, BITS, 0, 0, LOCAL_TABLE, protocol, scope, kind]);
  return withAttributes(fixed, [
    [RTA_DST, wireBytes(address)],
    ...device === undefined ? [] : [[RTA_OIF, u32(device)] as const],
  ]);
}
