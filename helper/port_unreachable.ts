import { libc, must, SOCK_CLOEXEC, SystemCallError } from "../ffi/libc.ts";
import { closeDescriptor, socketAddress } from "../ffi/sockets/socket.ts";
import { bindToDevice } from "../ffi/sockets/transparent.ts";
import type { Endpoint, IpAddress } from "../net/address.ts";
import type { UserDevice } from "./device.ts";
import { portUnreachable } from "./icmp.ts";

const SOCK_RAW = 3;
/** Such a socket sends packets with their IP header, and receives none (man 7 raw). */
const IPPROTO_RAW = 255;
const MSG_DONTWAIT = 0x40;
const [AF_INET, AF_INET6] = [2, 10];

/** Says that ports of captured addresses are unreachable, to sockets of pmz's own address: the kernel doesn't, since the addresses aren't its own. */
export class PortUnreachable implements Disposable {
  readonly #device: Pick<UserDevice, "name" | "own4" | "own6">;
  readonly #sockets = new Map<4 | 6, number>();

  constructor(device: Pick<UserDevice, "name" | "own4" | "own6">) {
    this.#device = device;
  }

  /** Tells the socket that has sent a datagram from the port `caller`. A message that the kernel has no room for is lost, as others are. */
  tell(destination: Endpoint, caller: number): void {
    const { family } = destination.address;
    const own: IpAddress | undefined = family === 4 ? this.#device.own4 : this.#device.own6;
    if (!own) return;
    const packet = portUnreachable({ address: own, port: caller }, destination);
    const to = socketAddress({ address: own, port: 0 });
    try {
      must(
        "sendto",
        libc.sendto(this.#socket(family), packet, BigInt(packet.length), MSG_DONTWAIT, to, to.length),
      );
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
  }

  /** Bound to the user's device, so that no message is ever sent by another one. */
  #socket(family: 4 | 6): number {
    const there = this.#sockets.get(family);
    if (there !== undefined) return there;
    const domain = family === 4 ? AF_INET : AF_INET6;
    const fd = must("socket", libc.socket(domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    this.#sockets.set(family, fd);
    bindToDevice(fd, this.#device.name);
    return fd;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#sockets.values()) closeDescriptor(fd);
    this.#sockets.clear();
  }
}
