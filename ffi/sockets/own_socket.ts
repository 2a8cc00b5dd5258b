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
 * The descriptors of this process's own sockets. Deno doesn't tell them, so they are looked for among all that are open, by
 * the addresses and ports that Deno does tell.
 */

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const RLIMIT_NOFILE = 7;

/** An own socket that could not be found. */
export class NoDescriptor extends Error {
  override name = "NoDescriptor";
}

/** Where a socket is bound, and what it's connected to; a listener, or a UDP socket for anybody, to nothing. */
export interface SocketEnds {
  readonly type: "tcp" | "udp";
  readonly local: Endpoint;
  readonly remote?: Endpoint;
}

const name = new Uint8Array(28);
const length = new Uint32Array(1);
const lengthBytes = new Uint8Array(length.buffer);

/**
 * Where the last one was found. Sockets are mostly sought in the order that they were opened in, so the next one is mostly the
 * next descriptor. Only a hint: nothing but time depends on it.
 */
let hint = 0;
/** Descriptors that are looked at from there on, before all are. */
const NEAR = 64;

/** @returns undefined where this process has no such socket (any more). */
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

/** What Deno tells of a connection. @returns undefined for one that is not of TCP. */
export function endsOf(
  { localAddr, remoteAddr }: { readonly localAddr: Deno.Addr; readonly remoteAddr: Deno.Addr },
): SocketEnds | undefined {
  const local = endOf(localAddr), remote = endOf(remoteAddr);
  return local && remote && { type: "tcp", local, remote };
}

/** An address of Deno's. @returns undefined for one that has no port, as a unix socket's. */
export function endOf(address: Deno.Addr): Endpoint | undefined {
  if (!("hostname" in address)) return undefined;
  const parsed = parseAddress(address.hostname);
  return parsed && { address: parsed, port: address.port };
}

function isAt(fd: number, { local, remote }: SocketEnds): boolean {
  // What differs most comes first. Files, and descriptors that aren't open, fail.
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

/** Compares bytes, not text: thousands of sockets may have the sought port. */
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
 * Descriptors that this process's table has room for: FDSize in /proc/self/status (proc(5)), which grows with them and never
 * shrinks. Not by Deno, which lets only programs with all permissions read there. Out of descriptors (EMFILE, ENFILE) that can't be
 * opened: it's the limit then, below which all are.
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

/** The soft limit of descriptors: one more than the highest that can be. */
function mostDescriptors(): number {
  const limits = new BigUint64Array(2);
  must("getrlimit", libc.getrlimit(RLIMIT_NOFILE, new Uint8Array(limits.buffer)));
  return Number(limits[0]);
}
