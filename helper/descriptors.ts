import { factsOf, netnsOf, socketFactsOf } from "../ffi/descriptor.ts";
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from "../ffi/libc.ts";
import { localEndpoint } from "../ffi/sockets/socket.ts";
import type { Endpoint } from "../net/address.ts";

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Which sockets are accepted: those of one user, in one network namespace (the inode of its file). */
export interface Owner {
  readonly uid: number;
  readonly netns: bigint;
}

/**
 * Why a descriptor isn't accepted as a listening TCP socket of the user on loopback; undefined when it is. The daemon could send
 * any socket that it got hold of: sshd's listener, one of root's, one of another network namespace.
 */
export function listenerRefusal(fd: number, family: 4 | 6, owner: Owner): string | undefined {
  return refusal(fd, family, owner, "tcp");
}

/** The same for a UDP socket. */
export function udpRefusal(fd: number, family: 4 | 6, owner: Owner): string | undefined {
  return refusal(fd, family, owner, "udp");
}

/** The same for a DNS stub's socket, which has to be bound to exactly that address and port. */
export function stubRefusal(
  fd: number,
  stub: Endpoint,
  protocol: "udp" | "tcp",
  owner: Owner,
): string | undefined {
  const why = refusal(fd, stub.address.family, owner, protocol);
  if (why !== undefined) return why;
  const { address, port } = localEndpoint(fd);
  if (address.text !== stub.address.text || port !== stub.port) return "is bound elsewhere";
}

/** Why a descriptor isn't accepted as the unconnected TCP socket by which the daemon makes itself known. */
export function callerRefusal(fd: number, owner: Owner): string | undefined {
  const { kind, uid } = factsOf(fd);
  if (kind !== "socket") return "is not a socket";
  if (uid !== owner.uid) return `belongs to uid ${uid}`;
  const { domain, type, protocol, listens } = socketFactsOf(fd);
  if (domain !== AF_INET || type !== SOCK_STREAM || protocol !== IPPROTO_TCP) return "is not TCP over IPv4";
  if (listens) return "listens";
  if (netnsOf(fd) !== owner.netns) return "is of another network namespace";
}

function refusal(fd: number, family: 4 | 6, owner: Owner, protocol: "udp" | "tcp"): string | undefined {
  const { kind, uid } = factsOf(fd);
  if (kind !== "socket") return "is not a socket";
  if (uid !== owner.uid) return `belongs to uid ${uid}`;
  const socket = socketFactsOf(fd); // the domain first: what follows is of IP only
  if (socket.domain !== (family === 4 ? AF_INET : AF_INET6)) return `is not of IPv${family}`;
  const isTcp = socket.type === SOCK_STREAM && socket.protocol === IPPROTO_TCP;
  const isUdp = socket.type === SOCK_DGRAM && socket.protocol === IPPROTO_UDP;
  if (protocol === "tcp" ? !isTcp : !isUdp) return `is not ${protocol.toUpperCase()}`;
  if (protocol === "tcp" && !socket.listens) return "doesn't listen";
  const { address, port } = localEndpoint(fd);
  if (address.family !== family || !isLoopback(address)) {
    return `is bound to ${address.text}, not to loopback`;
  }
  if (port < 1024) return `has port ${port}: ports below 1024 are root's`;
  if (netnsOf(fd) !== owner.netns) return "is of another network namespace";
}

export function isLoopback(address: Endpoint["address"]): boolean {
  return address.family === 4 ? address.bytes[12] === 127 : address.text === "::1";
}
