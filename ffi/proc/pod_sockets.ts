/** Sockets that are made in a pod's network namespace: call these within Netns.run. */
import { readProcFile } from "./proc_file.ts";
import { SystemCallError } from "../libc.ts";
import { closeDescriptor, tcpListener, tcpSocket } from "../sockets/socket.ts";

const EAFNOSUPPORT = 97;
const EADDRINUSE = 98;
const EADDRNOTAVAIL = 99;
/** The kernel makes at most net.core.somaxconn of the namespace of it (4,096 since 5.4). */
const BACKLOG = 4096;
const TRIES = 100;

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
  const address = family === 4 ? "127.0.0.1" : "::1";
  let tries = TRIES;
  for (let port = firstEphemeral() - 1; port > 1024 && tries > 0; port--) {
    if (avoid.has(port)) continue;
    tries--;
    try {
      return { fd: tcpListener({ address, port, backlog: BACKLOG }), port };
    } catch (error) {
      const errno = error instanceof SystemCallError ? error.errno : 0;
      if (errno === EADDRNOTAVAIL || errno === EAFNOSUPPORT) return undefined;
      if (errno !== EADDRINUSE) throw error;
    }
  }
  throw new Error(`no port is free for a listener on ${address}`);
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
