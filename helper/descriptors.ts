import { factsOf, netnsOf, socketFactsOf } from "../ffi/descriptor.ts";
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from "../ffi/libc.ts";
import { localEndpoint } from "../ffi/sockets/socket.ts";
import type { Endpoint } from "../net/address.ts";

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

/** Whose sockets are taken, and of which network namespace (the inode of its file). */
export interface Owner {
  readonly uid: number;
  readonly netns: bigint;
}

/**
 * Why a descriptor isn't taken as a listening TCP socket of the user's on loopback; undefined when it may be.
 * The daemon could have got any from somewhere: sshd's listener, a root socket, one of another netns.
 */
export function listenerRefusal(fd: number, family: 4 | 6, owner: Owner): string | undefined {
  return refusal(fd, family, owner, "tcp");
}

/** The same for a stand-in's socket, which has to be bound to just that address and port. */
export function standInRefusal(
  fd: number,
  standIn: Endpoint,
  protocol: "udp" | "tcp",
  owner: Owner,
): string | undefined {
  const why = refusal(fd, standIn.address.family, owner, protocol);
  if (why !== undefined) return why;
  const { address, port } = localEndpoint(fd);
  if (address.text !== standIn.address.text || port !== standIn.port) return "is bound elsewhere";
}

function refusal(fd: number, family: 4 | 6, owner: Owner, protocol: "udp" | "tcp"): string | undefined {
  const { kind, uid } = factsOf(fd);
  if (kind !== "socket") return "is no socket";
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
