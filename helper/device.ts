import {
  addAddress,
  allAddresses,
  allLinks,
  linkDown,
  linkUp,
  renameLink,
  setMtu,
} from "../ffi/netlink/link.ts";
import type { Netlink } from "../ffi/netlink/netlink.ts";
import { addLocalRoutes, LOCAL_TABLE, routesOf } from "../ffi/netlink/route.ts";
import { addSenderAddress, deleteSenderAddresses } from "../ffi/netlink/sender_address.ts";
import { SystemCallError } from "../ffi/libc.ts";
import { isTunMissing, TunDevice } from "../ffi/netlink/tun.ts";
import { type IpAddress, parseAddress } from "../net/address.ts";
import { senderLabel } from "../net/own_interfaces.ts";
import { FIRST_TABLE, SLOTS } from "../wire/helper.ts";
import { overlap, parseRange, type Range } from "../net/range.ts";
import { devicesOfPmz, foreignAddresses, foreignRoutes, isDefault, rangeOfNetwork } from "./networks.ts";

/** Ranges for pmz's own addresses: the first that the machine doesn't use is taken. */
const PLACES4 = ["198.18.255.0/24", "100.127.255.0/24", "172.31.255.0/24", "10.255.255.0/24"];
const PLACE6 = "fd70:6d7a::";
/** A device that takes shorter packets has no IPv6 (RFC 8200 section 5). */
const LEAST_MTU = 1_280;
const MTU = 1_500;

/** No device could be made, for a reason that the user can mend. */
export class DeviceError extends Error {
  override name = "DeviceError";
}

/** A user's device: the target of the routes, and the source of captured connections. It ends with the process. */
export class UserDevice implements Disposable {
  #tun: TunDevice;
  readonly name: string;
  readonly index: number;
  readonly own4: IpAddress;
  /** Undefined on a machine without IPv6. */
  readonly own6: IpAddress | undefined;
  readonly table: number;
  /** Captured addresses of IPv4 that the daemon's UDP sockets send from, as text. */
  readonly #senders = new Map<string, IpAddress>();

  private constructor(tun: TunDevice, own4: IpAddress, own6: IpAddress | undefined, table: number) {
    this.#tun = tun;
    this.name = tun.name;
    this.index = tun.index;
    this.own4 = own4;
    this.own6 = own6;
    this.table = table;
  }

  /**
   * @param takeSlot whether a slot is nobody's; then it is this user's
   * @throws {DeviceError} without TUN, or when nothing is free. @throws {SystemCallError} without root
   */
  static create(netlink: Netlink, takeSlot: (slot: number) => boolean): UserDevice {
    const place = freePlace(netlink);
    const { tun, slot } = freeSlot(takeSlot);
    try {
      const last = 254 - slot;
      const own4 = mustParse(`${place.text.replace(/\.0\/24$/, "")}.${last}`);
      silenceIpv6(tun.name);
      linkUp(netlink, tun.index);
      addAddress(netlink, tun.index, own4);
      return new UserDevice(
        tun,
        own4,
        addIpv6(netlink, tun, mustParse(PLACE6 + last.toString(16))),
        FIRST_TABLE + slot,
      );
    } catch (error) {
      tun[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * @returns what makes the device as it has to be, by the same index, so that routes, listeners and open connections find it again;
   * undefined where it is. That throws a DeviceError, or a SystemCallError, where it can't.
   */
  repair(netlink: Netlink): (() => void) | undefined {
    const links = allLinks(netlink);
    const link = links.find(({ index }) => index === this.index);
    if (!link) return () => this.#makeAgain(netlink, links.some(({ name }) => name === this.name));
    if (link.name !== this.name) return () => renameLink(netlink, this.index, this.name);
    if (link.mtu < LEAST_MTU) return () => this.#giveIpv6Back(netlink);
    return link.isUp ? undefined : () => linkUp(netlink, this.index);
  }

  /** The kernel has forgotten what was set for IPv6. It would give a device that is up an address of its own. */
  #giveIpv6Back(netlink: Netlink): void {
    linkDown(netlink, this.index);
    setMtu(netlink, this.index, MTU);
    silenceIpv6(this.name);
    linkUp(netlink, this.index);
  }

  #makeAgain(netlink: Netlink, isTaken: boolean): void {
    if (isTaken) throw new DeviceError(`another device is called ${this.name} now`);
    this.#tun[Symbol.dispose](); // it may live on in another network namespace
    const tun = createTun(this.name, this.index);
    if (!tun) throw new DeviceError(`another device has the name ${this.name}, or its index ${this.index}`);
    this.#tun = tun;
    silenceIpv6(this.name);
    linkUp(netlink, this.index);
  }

  /** How many addresses there are to send from. */
  get senders(): number {
    return this.#senders.size;
  }

  hasSender(address: IpAddress): boolean {
    return this.#senders.has(address.text);
  }

  /** Lets sockets that are bound to an IPv4 address send from it; nothing leads there by that. @throws {SystemCallError} */
  addSender(netlink: Netlink, address: IpAddress): void {
    if (this.hasSender(address)) return;
    addSenderAddress(netlink, this.index, address, senderLabel(this.name));
    this.#senders.set(address.text, address);
  }

  /** Takes back what `addSender` gave, as far as it has. @throws {SystemCallError} */
  deleteSenders(netlink: Netlink, addresses: readonly IpAddress[]): void {
    const senders = addresses.filter((address) => this.hasSender(address));
    if (senders.length > 0) deleteSenderAddresses(netlink, this.index, senders);
    for (const { text } of senders) this.#senders.delete(text);
  }

  /**
   * @param needsIpv6 whether it matters when the IPv6 address can't be given back: programs switch IPv6 off
   * @returns what gives the device its addresses back, and throws a SystemCallError where it can't; undefined where it has them
   */
  repairAddresses(netlink: Netlink, needsIpv6: boolean): (() => void) | undefined {
    const there = new Set(
      allAddresses(netlink).filter(({ device }) => device === this.index).map(({ address }) => address.text),
    );
    const misses4 = !there.has(this.own4.text);
    const missing6 = this.own6 && !there.has(this.own6.text) ? this.own6 : undefined;
    const known = this.#knownAddresses(netlink);
    const unknown = [this.own4, ...this.own6 ? [this.own6] : []].filter(({ text }) =>
      there.has(text) && !known.has(text)
    );
    // The kernel makes routes to them when the device comes up again.
    const senders = [...this.#senders.values()].filter(({ text }) => !there.has(text) || known.has(text));
    const matters6 = missing6 && (needsIpv6 || !isIpv6Off(this.name));
    if (!misses4 && !matters6 && unknown.length === 0 && senders.length === 0) return undefined;
    return () => {
      if (misses4) addAddress(netlink, this.index, this.own4);
      if (missing6 && (needsIpv6 || !isIpv6Off(this.name))) addAddress(netlink, this.index, missing6);
      const routes = { device: this.index, table: LOCAL_TABLE, source4: this.own4, source6: undefined };
      const failed = addLocalRoutes(netlink, routes, unknown).find((errno) => errno !== 0);
      if (failed) throw new SystemCallError("the kernel refuses the route to an address of its own", failed);
      for (const sender of senders) addSenderAddress(netlink, this.index, sender, senderLabel(this.name));
    };
  }

  /** Addresses that the kernel takes for its own: it has a route to them. */
  #knownAddresses(netlink: Netlink): Set<string> {
    return new Set(
      routesOf(netlink, [LOCAL_TABLE]).filter(({ kind }) => kind === "local").map(({ destination }) =>
        destination.text
      ),
    );
  }

  [Symbol.dispose](): void {
    this.#tun[Symbol.dispose]();
  }
}

function freeSlot(takeSlot: (slot: number) => boolean): { tun: TunDevice; slot: number } {
  for (let slot = 0; slot < SLOTS; slot++) {
    if (!takeSlot(slot)) continue;
    const tun = createTun(`pmz${slot}`);
    if (tun) return { tun, slot };
  }
  throw new DeviceError(`${SLOTS} users are connected on this machine already`);
}

function createTun(name: string, index?: number): TunDevice | undefined {
  try {
    return TunDevice.create(name, index);
  } catch (error) {
    if (!isTunMissing(error)) throw error;
    throw new DeviceError("this kernel has no TUN device: `modprobe tun`, or restart after a kernel update", {
      cause: error,
    });
  }
}

/** The first range that no address and no route of this machine is in. */
function freePlace(netlink: Netlink): Range {
  const ours = devicesOfPmz(allLinks(netlink));
  const used = [
    ...foreignRoutes(netlink, ours).filter((route) => !isDefault(route)),
    ...foreignAddresses(netlink, ours),
  ].map(rangeOfNetwork);
  for (const text of PLACES4) {
    const place = parseRange(text);
    if (place && !used.some((range) => overlap(range, place))) return place;
  }
  throw new DeviceError(
    `this machine uses ${PLACES4.join(", ")}, or has routes there: pmz has no address left`,
  );
}

/** Keeps the device from soliciting routers and from having a link-local address. Where /proc/sys can't be written, both are harmless. */
function silenceIpv6(name: string): void {
  for (const [key, value] of [["addr_gen_mode", "1"], ["accept_ra", "0"]] as const) {
    try {
      Deno.writeTextFileSync(`/proc/sys/net/ipv6/conf/${name}/${key}`, value, { create: false });
    } catch { /* no IPv6 */ }
  }
}

/** Whether IPv6 is switched off for a device, or not there at all. */
function isIpv6Off(name: string): boolean {
  try {
    return Deno.readTextFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`).trim() !== "0";
  } catch {
    return true;
  }
}

function addIpv6(netlink: Netlink, tun: TunDevice, address: IpAddress): IpAddress | undefined {
  try {
    addAddress(netlink, tun.index, address);
    return address;
  } catch {
    return undefined; // IPv6 is off: its addresses will be refused, with that reason
  }
}

function mustParse(text: string): IpAddress {
  const address = parseAddress(text);
  if (!address) throw new TypeError(`${text} is not a valid address`);
  return address;
}
