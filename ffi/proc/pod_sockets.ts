/** Sockets that are made in a pod's network namespace: call these within Netns.run. */
import { readProcFile } from "./proc_file.ts";
import {
  addressOfBuffer,
  AF_INET,
  AF_INET6,
  libc,
  must,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SystemCallError,
} from "../libc.ts";
import { closeDescriptor, setOption, socketAddress, tcpListener, tcpSocket } from "../sockets/socket.ts";
import { parseAddress } from "../../net/address.ts";

const EAFNOSUPPORT = 97;
const EADDRINUSE = 98;
const EADDRNOTAVAIL = 99;
/** The kernel makes at most net.core.somaxconn of the namespace of it (4,096 since 5.4). */
const BACKLOG = 4096;
const TRIES = 100;

const SOCK_RAW = 3;
const IPPROTO_UDP = 17;
const SOL_SOCKET = 1;
const [SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_LOCK_FILTER] = [26, 33, 44];
const IPPROTO_IP = 0;
const [IP_TRANSPARENT, IP_RECVORIGDSTADDR] = [19, 20];
const IPPROTO_IPV6 = 41;
const [IPV6_CHECKSUM, IPV6_V6ONLY, IPV6_RECVORIGDSTADDR, IPV6_TRANSPARENT] = [7, 26, 74, 75];
/** Where UDP's checksum is in its header. */
const CHECKSUM = 6;
/** Bytes of datagrams that wait to be read: the kernel counts each with its own buffer. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;

/**
 * A listening socket on loopback, on a port that nothing else takes by chance: below the range of ephemeral ports
 * (net.ipv4.ip_local_port_range of the namespace), from there downwards, none of `avoid`. Undefined when the namespace
 * has no loopback of that family.
 * @throws {SystemCallError}; {Error} when a hundred ports in a row are taken.
 */
export function listenOnLoopback(
  family: 4 | 6,
  avoid: ReadonlySet<number>,
): { fd: number; port: number } | undefined {
  return onLoopback(family, avoid, (address, port) => tcpListener({ address, port, backlog: BACKLOG }));
}

/**
 * A UDP socket on loopback, to which datagrams for other addresses and ports are steered: it tells where each was sent. On a port
 * as `listenOnLoopback`'s. Undefined when the namespace has no loopback of that family.
 * @throws {SystemCallError}; {Error} when a hundred ports in a row are taken.
 */
export function datagramsOnLoopback(
  family: 4 | 6,
  avoid: ReadonlySet<number>,
): { fd: number; port: number } | undefined {
  return onLoopback(family, avoid, (address, port) => datagramSocket(family, address, port));
}

/**
 * A raw socket that sends UDP datagrams with any source, for RawDatagrams. What it would receive is dropped, which its next owner
 * can't change. Needs NET_RAW.
 * @throws {SystemCallError}
 */
export function rawDatagramSocket(family: 4 | 6): number {
  return madeSocket(family, SOCK_RAW, IPPROTO_UDP, (fd) => {
    dropAll(fd);
    if (family === 4) setOption(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
    else {
      setOption(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
      setOption(fd, IPPROTO_IPV6, IPV6_CHECKSUM, CHECKSUM);
    }
    // The kernel offers a raw socket a copy of each datagram to its address: of loopback's alone.
    bind(fd, loopbackOf(family), 0);
  });
}

function datagramSocket(family: 4 | 6, address: string, port: number): number {
  return madeSocket(family, SOCK_DGRAM, 0, (fd) => {
    if (family === 6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (family === 4) setOption(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    else setOption(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1);
    setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER);
    bind(fd, address, port);
  });
}

function madeSocket(family: 4 | 6, type: number, protocol: number, prepare: (fd: number) => void): number {
  const fd = must(
    "socket",
    libc.socket(family === 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol),
  );
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

function bind(fd: number, host: string, port: number): void {
  const address = parseAddress(host);
  if (!address) throw new TypeError(`${host} is not a valid IP address`);
  const name = socketAddress({ address, port });
  must(`bind ${host}`, libc.bind(fd, name, name.length));
}

/** A filter of one instruction that keeps no byte of any packet (BPF_RET | BPF_K, 0), locked. */
function dropAll(fd: number): void {
  const program = new Uint8Array(24); // struct sock_fprog, and behind it the instruction that it points to
  const view = new DataView(program.buffer);
  view.setBigUint64(0, 1n, true);
  view.setBigUint64(8, addressOfBuffer(program) + 16n, true);
  view.setUint16(16, 6, true);
  must("SO_ATTACH_FILTER", libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, 16));
  setOption(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

function loopbackOf(family: 4 | 6): string {
  return family === 4 ? "127.0.0.1" : "::1";
}

/** What `make` opens on loopback at the first port that is free; undefined where there is no loopback. */
function onLoopback(
  family: 4 | 6,
  avoid: ReadonlySet<number>,
  make: (address: string, port: number) => number,
): { fd: number; port: number } | undefined {
  const address = loopbackOf(family);
  let tries = TRIES;
  for (let port = firstEphemeral() - 1; port > 1024 && tries > 0; port--) {
    if (avoid.has(port)) continue;
    tries--;
    try {
      return { fd: make(address, port), port };
    } catch (error) {
      const errno = error instanceof SystemCallError ? error.errno : 0;
      if (errno === EADDRNOTAVAIL || errno === EAFNOSUPPORT) return undefined;
      if (errno !== EADDRINUSE) throw error;
    }
  }
  throw new Error(`no port is free for a socket on ${address}`);
}

/** Unconnected TCP sockets. @throws {SystemCallError} EMFILE (24) and the like; none is left open then. */
export function unconnectedSockets(family: 4 | 6, count: number): number[] {
  const fds: number[] = [];
  try {
    while (fds.length < count) fds.push(tcpSocket(family));
    return fds;
  } catch (error) {
    for (const fd of fds) closeDescriptor(fd);
    throw error;
  }
}

/** /proc/sys/net shows the namespace that the reading thread is in. */
function firstEphemeral(): number {
  const text = readProcFile("/proc/sys/net/ipv4/ip_local_port_range");
  const first = Number(text.split(/\s+/)[0]);
  return first > 1024 + TRIES ? first : 32_768;
}
