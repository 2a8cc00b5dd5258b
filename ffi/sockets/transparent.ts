import { cstring, libc, must } from "../libc.ts";

const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const IPPROTO_IP = 0;
const IP_TRANSPARENT = 19;
const IPPROTO_IPV6 = 41;
const IPV6_TRANSPARENT = 75;

/**
 * Lets a socket answer from addresses that aren't in the routing table `local` (IP_TRANSPARENT). It is bound to the device
 * first, which only root can undo: otherwise the socket's owner could send from any address over any device (stop listening,
 * bind, connect).
 * @throws {SystemCallError}
 */
export function makeTransparent(fd: number, family: 4 | 6, device: string): void {
  bindToDevice(fd, device);
  const on = new Uint8Array(new Int32Array([1]).buffer);
  if (family === 4) must("IP_TRANSPARENT", libc.setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, on, 4));
  else must("IPV6_TRANSPARENT", libc.setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, on, 4));
}

/** Binds a socket to a device, which only root can undo: it hears nothing that came by another one. @throws {SystemCallError} */
export function bindToDevice(fd: number, device: string): void {
  const name = cstring(device);
  must("SO_BINDTODEVICE", libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, name.length));
}
