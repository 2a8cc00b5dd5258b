import { cstring, libc, must, O_CLOEXEC, SystemCallError } from "../libc.ts";
import { u32 } from "./netlink.ts";

const O_RDWR = 2;
const TUNSETIFF = 0x400454can;
const TUNSETIFINDEX = 0x400454dan; // 3.9
const SIOCGIFINDEX = 0x8933n;
const IFF_TUN = 1;
const IFF_NO_PI = 0x1000;
const IFF_TUN_EXCL = 0x8000; // never a device that exists already
/** struct ifreq, and the name in it. */
const IFREQ = 40;
const IFNAMSIZ = 16;
const EBUSY = 16;
const ENOENT = 2;

/** A TUN device that exists while this holds it open. It goes with the process, and its routes with it. */
export class TunDevice implements Disposable {
  #fd: number;
  readonly name: string;
  /** As routes name it. */
  readonly index: number;

  private constructor(fd: number, name: string, index: number) {
    this.#fd = fd;
    this.name = name;
    this.index = index;
  }

  /**
   * Makes a device of that name; undefined when there is one, or another one has the index.
   * @param index the one that it is to have; the kernel chooses without it
   * @throws {SystemCallError} EPERM (1) without root; ENOENT (2) or ENODEV (19) where the kernel has no TUN.
   */
  static create(name: string, index?: number): TunDevice | undefined {
    const fd = must("open /dev/net/tun", libc.open(cstring("/dev/net/tun"), O_RDWR | O_CLOEXEC, 0));
    try {
      if (index !== undefined) must("choosing an index", libc.ioctl(fd, TUNSETIFINDEX, u32(index)));
      const request = new Uint8Array(IFREQ);
      request.set(cstring(name).subarray(0, IFNAMSIZ - 1));
      new DataView(request.buffer).setUint16(IFNAMSIZ, IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL, true);
      must(`making ${name}`, libc.ioctl(fd, TUNSETIFF, request));
      return new TunDevice(fd, name, indexOf(name));
    } catch (error) {
      libc.close(fd);
      if (error instanceof SystemCallError && error.errno === EBUSY) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }
}

/** Whether an error of `TunDevice.create` says that the kernel's module isn't there. */
export function isTunMissing(error: unknown): boolean {
  return error instanceof SystemCallError && (error.errno === ENOENT || error.errno === 19);
}

/** if_nametoindex(3), by ioctl. */
function indexOf(name: string): number {
  const socket = must("socket", libc.socket(2, 2 | O_CLOEXEC, 0));
  try {
    const request = new Uint8Array(IFREQ);
    request.set(cstring(name).subarray(0, IFNAMSIZ - 1));
    must(`the index of ${name}`, libc.ioctl(socket, SIOCGIFINDEX, request));
    return new DataView(request.buffer).getInt32(IFNAMSIZ, true);
  } finally {
    libc.close(socket);
  }
}
