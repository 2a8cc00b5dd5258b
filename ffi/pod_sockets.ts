/** Sockets that are made in a pod's network namespace: call these within Netns.run. */
import {
  AF_INET,
  AF_INET6,
  libc,
  must,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SystemCallError,
} from "./libc.ts";
import { type IpAddress, parseAddress } from "../wire/address.ts";

const EADDRINUSE = 98;
const EADDRNOTAVAIL = 99;
const EAFNOSUPPORT = 97;
/** What the kernel makes of it is at most net.core.somaxconn of the namespace (4,096 since 5.4). */
const BACKLOG = 4096;

/** Whether a socket can be made that has this address: whether the address is the namespace's. */
export function hasAddress(address: IpAddress): boolean {
  const fd = makeSocket(address.family);
  if (fd === undefined) return false;
  try {
    return tryBind(fd, address, 0) === "bound";
  } finally {
    libc.close(fd);
  }
}

/** Whether the namespace has loopback of a family: 127.0.0.1 or ::1. */
export function hasLoopback(family: 4 | 6): boolean {
  return hasAddress(loopback(family));
}

/**
 * A listening socket on loopback, on a port that nothing else takes by chance: below the range of ephemeral ports
 * (net.ipv4.ip_local_port_range of the namespace), from there downwards, none of `avoid`.
 * @throws {SystemCallError}; {Error} when a hundred ports in a row are taken.
 */
export function listenOnLoopback(family: 4 | 6, avoid: ReadonlySet<number>): { fd: number; port: number } {
  const fd = makeSocket(family);
  if (fd === undefined) throw new Error(`the kernel has no IPv${family}`);
  try {
    let tries = 100;
    for (let port = firstEphemeral() - 1; port > 1024 && tries > 0; port--) {
      if (avoid.has(port)) continue;
      tries--;
      if (tryBind(fd, loopback(family), port) !== "bound") continue;
      must("listen", libc.listen(fd, BACKLOG));
      return { fd, port };
    }
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  libc.close(fd);
  throw new Error(`no port is free for a listener on ${loopback(family).text}`);
}

/** Unconnected TCP sockets. @throws {SystemCallError} EMFILE (24) and the like; none is left open then. */
export function unconnectedSockets(family: 4 | 6, count: number): number[] {
  const fds: number[] = [];
  try {
    while (fds.length < count) {
      const fd = makeSocket(family);
      if (fd === undefined) throw new Error(`the kernel has no IPv${family}`);
      fds.push(fd);
    }
    return fds;
  } catch (error) {
    for (const fd of fds) libc.close(fd);
    throw error;
  }
}

/** Closes a descriptor of this module's. */
export function closeSocket(fd: number): void {
  libc.close(fd);
}

function makeSocket(family: 4 | 6): number | undefined {
  const domain = family === 4 ? AF_INET : AF_INET6;
  try {
    return must("socket", libc.socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  } catch (error) {
    if (error instanceof SystemCallError && error.errno === EAFNOSUPPORT) return undefined;
    throw error;
  }
}

function tryBind(fd: number, address: IpAddress, port: number): "bound" | "taken" {
  const name = socketAddress(address, port);
  try {
    must(`bind to ${address.text}`, libc.bind(fd, name, name.length));
    return "bound";
  } catch (error) {
    const { errno } = error as SystemCallError;
    if (errno === EADDRINUSE || errno === EADDRNOTAVAIL) return "taken";
    throw error;
  }
}

/** struct sockaddr_in, struct sockaddr_in6. */
function socketAddress({ family, bytes }: IpAddress, port: number): Uint8Array<ArrayBuffer> {
  const name = new Uint8Array(family === 4 ? 16 : 28);
  const view = new DataView(name.buffer);
  view.setUint16(0, family === 4 ? AF_INET : AF_INET6, true);
  view.setUint16(2, port);
  if (family === 4) name.set(bytes.subarray(12), 4);
  else name.set(bytes, 8);
  return name;
}

/** /proc/sys/net shows the namespace that the reading thread is in. */
function firstEphemeral(): number {
  const text = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_local_port_range");
  const first = Number(text.split(/\s+/)[0]);
  return first > 1124 ? first : 32_768;
}

function loopback(family: 4 | 6): IpAddress {
  const address = parseAddress(family === 4 ? "127.0.0.1" : "::1");
  if (!address) throw new Error("unreachable");
  return address;
}
