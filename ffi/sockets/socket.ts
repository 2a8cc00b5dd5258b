import { addressOf, type Endpoint, parseAddress } from "../../net/address.ts";
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
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SO_REUSEADDR = 2;
const EINPROGRESS = 115;

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
 * Begins to connect a non-blocking socket. It can be adopted while it connects: writes are queued, and a failure is
 * reported by the first read or write.
 * @throws {SystemCallError} when it fails at once.
 */
export function startConnect(fd: number, to: Endpoint): void {
  const name = socketAddress(to);
  try {
    must("connect", libc.connect(fd, name, name.length));
  } catch (error) {
    if (!(error instanceof SystemCallError && error.errno === EINPROGRESS)) throw error;
  }
}

/** The address and port that a socket is bound to. @throws {SystemCallError} */
export function localEndpoint(fd: number): Endpoint {
  const name = new Uint8Array(28);
  const length = new Uint8Array(new Uint32Array([28]).buffer);
  must("getsockname", libc.getsockname(fd, name, length));
  return endpointOf(name);
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
export function socketAddress({ address, port }: Endpoint): Uint8Array<ArrayBuffer> {
  const name = new Uint8Array(address.family === 4 ? 16 : 28);
  const view = new DataView(name.buffer);
  view.setUint16(0, address.family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  name.set(address.family === 4 ? address.bytes.subarray(12) : address.bytes, address.family === 4 ? 4 : 8);
  return name;
}
