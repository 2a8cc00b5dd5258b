import { type Endpoint, parseAddress } from "../../net/address.ts";
import { AF_INET, AF_INET6, libc, must, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "../libc.ts";
import { resetConnection, setOption, socketAddress } from "./socket.ts";
import { bindToDevice } from "./transparent.ts";

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUFFORCE = 33;

/**
 * Makes a non-blocking UDP socket on a loopback address and a port of the kernel's choice.
 * @throws {SystemCallError} EAFNOSUPPORT, EADDRNOTAVAIL on a machine without that address family
 */
export function loopbackUdpSocket(family: 4 | 6): number {
  const domain = family === 4 ? AF_INET : AF_INET6;
  const fd = must("socket", libc.socket(domain, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  try {
    const address = parseAddress(family === 4 ? "127.0.0.1" : "::1");
    if (!address) throw new TypeError("unreachable");
    const name = socketAddress({ address, port: 0 });
    must(`bind ${address.text}`, libc.bind(fd, name, name.length));
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Gives a socket a receive buffer beyond the system's limit. @throws {SystemCallError} EPERM without NET_ADMIN */
export function forceReceiveBuffer(fd: number, bytes: number): void {
  setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
}

/** Level and option by which a socket may be bound to an address that isn't the machine's: IP_TRANSPARENT, IPV6_TRANSPARENT. */
const TRANSPARENT = { 4: [0, 19], 6: [41, 75] } as const;

/**
 * Binds a UDP socket to a device, and to another address and port there, the machine's or not, if the kernel has chosen its port: a chosen one can't be given
 * up. What it has received before stays in it, and it gets no right by this. It shares the port with sockets on all addresses that
 * allow it as well (SO_REUSEADDR), as those of mDNS do.
 * @throws {SystemCallError} EPERM without NET_ADMIN, EINVAL for one that was bound to a chosen port, EADDRINUSE
 */
export function rebind(fd: number, to: Endpoint, device: string): void {
  resetConnection(fd); // a UDP socket loses its port and its device, too
  bindToDevice(fd, device); // before the address: on another device it may be another socket's
  const name = socketAddress(to);
  const [level, option] = TRANSPARENT[to.address.family];
  setOption(fd, level, option, 1);
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  try {
    must(`bind ${to.address.text} port ${to.port}`, libc.bind(fd, name, name.length));
  } finally {
    setOption(fd, level, option, 0);
  }
}
