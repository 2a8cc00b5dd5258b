import { addressOf, type Endpoint, type IpAddress, parseAddress } from "../../net/address.ts";
import {
  AF_INET,
  AF_INET6,
  libc,
  must,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SystemCallError,
} from "../libc.ts";

const SOL_SOCKET = 1;
const IPPROTO_IP = 0;
const IP_BIND_ADDRESS_NO_PORT = 24;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SO_REUSEADDR = 2;
const SO_COOKIE = 57;
/** struct sockaddr of the family AF_UNSPEC (0). */
const NOWHERE = new Uint8Array(16);
const EADDRNOTAVAIL = 99;
const EINPROGRESS = 115;

const ANY_6 = addressOf(new Uint8Array(16));
const ANY_4 = addressOf(Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]));

/** Buffers that the calls below fill. They are shared, since these calls are made for each accepted connection. */
const name = new Uint8Array(28);
const length = new Uint32Array(1);
const lengthBytes = new Uint8Array(length.buffer);
const cookie = new BigUint64Array(1);
const cookieBytes = new Uint8Array(cookie.buffer);

/**
 * Makes a non-blocking listening TCP socket, for adoptListener or to hand over. It can be made in another network namespace;
 * in Deno's own one, TcpListener is faster.
 * @param options.port 0: any
 * @throws {SystemCallError} @throws {TypeError} for an invalid address.
 */
export function tcpListener(options: { address: string; port?: number; backlog?: number }): number {
  const address = parseAddress(options.address);
  if (!address) throw new TypeError(`${options.address} is not a valid IP address`);
  const fd = tcpSocket(address.family);
  try {
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.family === 6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    const name = socketAddress({ address, port: options.port ?? 0 });
    must(`bind ${options.address}`, libc.bind(fd, name, name.length));
    must("listen", libc.listen(fd, options.backlog ?? 1024));
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Makes a non-blocking, unconnected TCP socket. @throws {SystemCallError} */
export function tcpSocket(family: 4 | 6): number {
  return must(
    "socket",
    libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
  );
}

/**
 * Binds a socket to a port of any local address, to connect from there. Other connections may have the same port, as long as they
 * lead elsewhere and were bound this way too.
 * @throws {SystemCallError} EADDRINUSE where another socket has the port for itself
 */
export function bindSourcePort(fd: number, family: 4 | 6, port: number): void {
  setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const name = socketAddress({ address: family === 4 ? ANY_4 : ANY_6, port });
  must(`bind port ${port}`, libc.bind(fd, name, name.length));
}

/**
 * Binds a socket that is going to connect to an address of this machine. The port is chosen when it connects, so that as many
 * connections fit as without.
 * @returns false when the network namespace doesn't have the address.
 * @throws {SystemCallError}
 */
export function bindSourceAddress(fd: number, address: IpAddress): boolean {
  setOption(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  const name = socketAddress({ address, port: 0 });
  try {
    must(`bind ${address.text}`, libc.bind(fd, name, name.length));
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === EADDRNOTAVAIL) return false;
    throw error;
  }
}

/**
 * Begins to connect a non-blocking socket. It can be adopted while it connects: writes are queued, and a failure is
 * reported by the first read or write.
 * @throws {SystemCallError} when it fails at once.
 */
export function startConnect(fd: number, to: Endpoint, scope = 0): void {
  const name = socketAddress(to, scope);
  try {
    must("connect", libc.connect(fd, name, name.length));
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === EINPROGRESS)) throw error;
  }
}

/** The address and port that a socket is bound to. @throws {SystemCallError} */
export function localEndpoint(fd: number): Endpoint {
  return endpointBy("getsockname", fd);
}

/** The address and port that a socket is connected to. @throws {SystemCallError} after the peer has reset it. */
export function remoteEndpoint(fd: number): Endpoint {
  return endpointBy("getpeername", fd);
}

/** A number that no other socket of the network namespace ever has (SO_COOKIE). @throws {SystemCallError} */
export function socketCookie(fd: number): bigint {
  length[0] = cookie.byteLength;
  must("getsockopt SO_COOKIE", libc.getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookieBytes, lengthBytes));
  return cookie[0] ?? 0n;
}

function endpointBy(call: "getsockname" | "getpeername", fd: number): Endpoint {
  length[0] = name.length;
  must(call, libc[call](fd, name, lengthBytes));
  return endpointOf(name);
}

/**
 * Resets a connection by connecting the socket to AF_UNSPEC (man 2 connect; the kernel's tcp_disconnect). The descriptor stays
 * open. SO_LINGER doesn't work: Deno's close ends the sending direction first, so the peer would see an end before the reset.
 * @throws {SystemCallError}
 */
export function resetConnection(fd: number): void {
  must("connect", libc.connect(fd, NOWHERE, NOWHERE.length));
}

/** The endpoint in a struct sockaddr_in or sockaddr_in6. */
export function endpointOf(name: Uint8Array<ArrayBuffer>): Endpoint {
  const view = new DataView(name.buffer, name.byteOffset);
  const port = view.getUint16(2);
  if (view.getUint16(0, true) === AF_INET6) return { address: addressOf(name.subarray(8, 24)), port };
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff], 10);
  mapped.set(name.subarray(4, 8), 12);
  return { address: addressOf(mapped), port };
}

/** An integer option. @throws {SystemCallError} */
export function getOption(fd: number, level: number, name: number): number {
  const value = new Int32Array(1);
  const length = new Uint8Array(new Uint32Array([4]).buffer);
  must(`getsockopt ${level}/${name}`, libc.getsockopt(fd, level, name, new Uint8Array(value.buffer), length));
  return value[0] ?? 0;
}

/** Sets an integer option. @throws {SystemCallError} */
export function setOption(fd: number, level: number, name: number, value: number): void {
  const bytes = new Uint8Array(new Int32Array([value]).buffer);
  must(`setsockopt ${level}/${name}`, libc.setsockopt(fd, level, name, bytes, 4));
}

/** Closes a descriptor that the caller owns. */
export function closeDescriptor(fd: number): void {
  libc.close(fd);
}

/** struct sockaddr_in or sockaddr_in6. */
export function socketAddress({ address, port }: Endpoint, scope = 0): Uint8Array<ArrayBuffer> {
  const name = new Uint8Array(address.family === 4 ? 16 : 28);
  const view = new DataView(name.buffer);
  view.setUint16(0, address.family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  name.set(address.family === 4 ? address.bytes.subarray(12) : address.bytes, address.family === 4 ? 4 : 8);
  if (address.family === 6) view.setUint32(24, scope, true);
  return name;
}
