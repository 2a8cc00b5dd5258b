import type { IpAddress } from "../../net/address.ts";
import { AF_INET, AF_INET6, cstring, SystemCallError } from "../libc.ts";
import { attributesOf, type Netlink, NLM_F_CREATE, NLM_F_EXCL, u32, withAttributes } from "./netlink.ts";
import { wireAddress, wireBytes } from "./route.ts";

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const EBUSY = 16;
const IFF_UP = 1;
const IFF_LOWER_UP = 0x1_0000;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_F_NODAD = 2; // no other machine on the device could have the address
/** struct ifinfomsg, struct ifaddrmsg. */
const IFINFOMSG = 16;
const IFADDRMSG = 8;

/** A network device. */
export interface Link {
  readonly name: string;
  readonly index: number;
  /** Whether it is set up (`ip link set ... up`). */
  readonly isUp: boolean;
  /** Bytes of its longest packet. */
  readonly mtu: number;
  /** Whether its cable is in, or what is like that for its kind. */
  readonly hasCarrier: boolean;
}

/** All devices. @throws {SystemCallError} */
export function allLinks(netlink: Netlink): Link[] {
  return netlink.dump("reading the devices", RTM_GETLINK, new Uint8Array(IFINFOMSG)).map((body) => {
    const attributes = attributesOf(body, IFINFOMSG);
    const name = attributes.get(IFLA_IFNAME) ?? new Uint8Array();
    const mtu = attributes.get(IFLA_MTU);
    const view = new DataView(body.buffer, body.byteOffset);
    const flags = view.getUint32(8, true);
    return {
      name: new TextDecoder().decode(name).replace(/\0.*$/s, ""),
      index: view.getInt32(4, true),
      isUp: (flags & IFF_UP) !== 0,
      mtu: mtu && mtu.length >= 4 ? new DataView(mtu.buffer, mtu.byteOffset).getUint32(0, true) : 0,
      hasCarrier: (flags & IFF_LOWER_UP) !== 0,
    };
  });
}

/** Takes a device up. @throws {SystemCallError} */
export function linkUp(netlink: Netlink, device: number): void {
  changeLink(netlink, "taking a device up", device, IFF_UP, IFF_UP);
}

/** Gives a device another name, and leaves it up; a kernel that refuses that of a device which is up has it down meanwhile. @throws {SystemCallError} */
export function renameLink(netlink: Netlink, device: number, name: string): void {
  const named: Attribute = [IFLA_IFNAME, cstring(name)];
  const rename = () => changeLink(netlink, `naming a device ${name}`, device, 0, 0, named);
  try {
    rename();
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === EBUSY)) throw error;
    linkDown(netlink, device);
    rename();
  }
  linkUp(netlink, device);
}

/** Takes a device down: its routes go. @throws {SystemCallError} */
export function linkDown(netlink: Netlink, device: number): void {
  changeLink(netlink, "taking a device down", device, 0, IFF_UP);
}

/** Sets the bytes of a device's longest packet. @throws {SystemCallError} */
export function setMtu(netlink: Netlink, device: number, mtu: number): void {
  changeLink(netlink, "setting the MTU of a device", device, 0, 0, [IFLA_MTU, u32(mtu)]);
}

type Attribute = readonly [type: number, value: Uint8Array];

function changeLink(
  netlink: Netlink,
  what: string,
  device: number,
  flags: number,
  mask: number,
  ...attributes: readonly Attribute[]
): void {
  const fixed = new Uint8Array(IFINFOMSG);
  fixed.set(u32(device, flags, mask), 4);
  netlink.do(what, { type: RTM_NEWLINK, body: withAttributes(fixed, attributes) });
}

/** Gives a device one address and no on-link network. @throws {SystemCallError} EOPNOTSUPP or EACCES without IPv6. */
export function addAddress(netlink: Netlink, device: number, address: IpAddress): void {
  const fixed = new Uint8Array(IFADDRMSG);
  fixed.set([
    address.family === 4 ? AF_INET : AF_INET6,
    address.family === 4 ? 32 : 128,
    address.family === 4 ? 0 : IFA_F_NODAD,
    0,
  ]);
  fixed.set(u32(device), 4);
  netlink.do(`giving a device the address ${address.text}`, {
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    body: withAttributes(fixed, [[IFA_LOCAL, wireBytes(address)], [IFA_ADDRESS, wireBytes(address)]]),
  });
}

/** An address of the machine, and the network that it's in. */
export interface OwnAddress {
  readonly address: IpAddress;
  readonly bits: number;
  readonly device: number;
}

/** Every address of every device; of a point-to-point one, the peer's too. @throws {SystemCallError} */
export function allAddresses(netlink: Netlink): OwnAddress[] {
  return [AF_INET, AF_INET6].flatMap((family) => {
    const body = new Uint8Array(IFADDRMSG);
    body[0] = family;
    return netlink.dump("reading the machine's addresses", RTM_GETADDR, body).flatMap(addressesOf);
  });
}

function addressesOf(body: Uint8Array<ArrayBuffer>): OwnAddress[] {
  const family = body[0] === AF_INET ? 4 : 6;
  const attributes = attributesOf(body, IFADDRMSG);
  const device = new DataView(body.buffer, body.byteOffset).getUint32(4, true);
  return [IFA_LOCAL, IFA_ADDRESS].flatMap((type) => {
    const value = attributes.get(type);
    return value ? [{ address: wireAddress(value, family), bits: body[1] ?? 0, device }] : [];
  });
}
