import { type Endpoint, parseAddress } from "../../net/address.ts";
import {
  AF_INET,
  AF_INET6,
  cstring,
  libc,
  must,
  O_CLOEXEC,
  SOCK_DGRAM,
  SOCK_STREAM,
  SystemCallError,
} from "../libc.ts";
import { getOption } from "./socket.ts";

/**
 * Finds the descriptors of this process's own sockets. Deno doesn't expose them, so they are searched for among all open
 * descriptors by the addresses and ports that Deno does expose.
 */

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const RLIMIT_NOFILE = 7;

/** No socket of this process was found. */
export class NoDescriptor extends Error {
  override name = "NoDescriptor";
}

/** A socket's local and remote end. A listener or an unconnected UDP socket has no remote end. */
export interface SocketEnds {
  readonly type: "tcp" | "udp";
  readonly local: Endpoint;
  readonly remote?: Endpoint;
}

const name = new Uint8Array(28);
const length = new Uint32Array(1);
const lengthBytes = new Uint8Array(length.buffer);

/**
 * Where the last socket was found. Sockets are mostly looked up in the order in which they were opened, so the next one is mostly
 * the next descriptor. It is module state on purpose: the descriptor table belongs to the process, and a wrong hint only costs time.
 */
let hint = 0;
/** Descriptors to try from the hint on, before all others. */
const NEAR = 64;

/** @returns undefined when this process has no such socket */
export function descriptorOf(ends: SocketEnds): number | undefined {
  const found = search(hint, NEAR, ends) ?? search(0, descriptorTableSize(), ends);
  if (found !== undefined) hint = found;
  return found;
}

function search(from: number, count: number, ends: SocketEnds): number | undefined {
  for (let fd = from; fd < from + count; fd++) if (isAt(fd, ends) && isOf(fd, ends)) return fd;
  return undefined;
}

/**
 * The descriptor of the listener, or of the UDP socket, that is bound to an address and port.
 * @throws {NoDescriptor} where this process has none.
 */
export function boundDescriptorOf(type: "tcp" | "udp", hostname: string, port: number): number {
  const address = parseAddress(hostname);
  const fd = address && descriptorOf({ type, local: { address, port } });
  if (fd === undefined) {
    throw new NoDescriptor(`no ${type} socket of this process is bound to ${hostname} port ${port}`);
  }
  return fd;
}

/** The ends of a Deno connection. @returns undefined for one that isn't TCP */
export function endsOf(
  { localAddr, remoteAddr }: { readonly localAddr: Deno.Addr; readonly remoteAddr: Deno.Addr },
): SocketEnds | undefined {
  const local = endOf(localAddr), remote = endOf(remoteAddr);
  return local && remote && { type: "tcp", local, remote };
}

/** A Deno address as an endpoint. @returns undefined for one without a port, as a unix socket's */
export function endOf(address: Deno.Addr): Endpoint | undefined {
  if (!("hostname" in address)) return undefined;
  const parsed = parseAddress(address.hostname);
  return parsed && { address: parsed, port: address.port };
}

function isAt(fd: number, { local, remote }: SocketEnds): boolean {
  // The remote end comes first, since it differs most. Both calls fail for files and closed descriptors.
  if (remote !== undefined && !matches(libc.getpeername, fd, remote)) return false;
  return matches(libc.getsockname, fd, local);
}

function isOf(fd: number, { type, remote }: SocketEnds): boolean {
  try {
    if (getOption(fd, SOL_SOCKET, SO_TYPE) !== (type === "tcp" ? SOCK_STREAM : SOCK_DGRAM)) return false;
    return type === "udp" || remote !== undefined || getOption(fd, SOL_SOCKET, SO_ACCEPTCONN) !== 0;
  } catch (error) {
    if (error instanceof SystemCallError) return false; // another thread's, closed meanwhile
    throw error;
  }
}

/** Compares bytes, not text, since thousands of sockets may have the same port. */
function matches(call: typeof libc.getsockname, fd: number, { address, port }: Endpoint): boolean {
  length[0] = name.length;
  if (call(fd, name, lengthBytes) < 0) return false;
  const family = (name[0] ?? 0) | (name[1] ?? 0) << 8;
  if (family !== AF_INET6 && (family !== AF_INET || address.family !== 4)) return false;
  if (((name[2] ?? 0) << 8 | (name[3] ?? 0)) !== port) return false;
  const [from, at] = family === AF_INET6 ? [0, 8] : [12, 4];
  for (let i = from; i < 16; i++) {
    if (name[at + i - from] !== address.bytes[i]) return false;
  }
  return true;
}

/**
 * The size of this process's descriptor table: FDSize in /proc/self/status (proc(5)), which grows as needed and never shrinks.
 * The file is read by the C library, since Deno reads it only for programs with all permissions. A process out of descriptors
 * (EMFILE, ENFILE) can't open it; then the limit of descriptors is returned, which all of them are below.
 */
export function descriptorTableSize(): number {
  const status = new Uint8Array(4096);
  const fd = libc.open(cstring("/proc/self/status"), O_CLOEXEC, 0);
  if (fd < 0) return mostDescriptors();
  try {
    const read = must("read /proc/self/status", libc.read(fd, status, BigInt(status.length)));
    const found = /^FDSize:\s+(\d+)$/m.exec(new TextDecoder().decode(status.subarray(0, read)))?.[1];
    if (found === undefined) {
      throw new Error("/proc/self/status doesn't say how many descriptors there may be");
    }
    return Number(found);
  } finally {
    libc.close(fd);
  }
}

/** The soft limit of descriptors, one more than the highest possible one. */
function mostDescriptors(): number {
  const limits = new BigUint64Array(2);
  must("getrlimit", libc.getrlimit(RLIMIT_NOFILE, new Uint8Array(limits.buffer)));
  return Number(limits[0]);
}
