/**
 * The messages of NETLINK_SOCK_DIAG (`man 7 sock_diag`, linux/inet_diag.h), for TCP and UDP: asking for sockets, and telling
 * the kernel to close one. Numbers are in the machine's byte order but for ports and addresses; all machines that pmz
 * runs on are little-endian.
 */
import { addressOf, type IpAddress } from "../../net/address.ts";

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
const SOCK_DIAG_BY_FAMILY = 20;
const SOCK_DESTROY = 21; // CONFIG_INET_DIAG_DESTROY, 4.5
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;
const protocols = { tcp: 6, udp: 17 } as const;
const families = { 4: 2, 6: 10 } as const;

/** struct nlmsghdr, struct inet_diag_req_v2, struct inet_diag_sockid, struct inet_diag_msg. */
const HEADER = 16;
const REQUEST = 56;
const SOCKID = 48;
const MESSAGE = 72;
/** The attribute of a listening socket that says whether it takes IPv6 alone (4.3). */
const INET_DIAG_SKV6ONLY = 11;

/** TCP states, as bits of a set (net/tcp_states.h). */
export const states = { established: 1 << 1, closeWait: 1 << 8, listen: 1 << 10 } as const;

/** A socket as the kernel shows it. IPv4 over an IPv6 socket appears as IPv4 addresses. */
export interface DiagSocket {
  /** The address family of the socket itself, not of what it carries. */
  readonly family: 4 | 6;
  /** One bit of `states`, or of another state. */
  readonly state: number;
  readonly local: { readonly address: IpAddress; readonly port: number };
  readonly remote: { readonly address: IpAddress; readonly port: number };
  /** Owner of the socket's file; also 0 for one that wasn't accepted yet. */
  readonly uid: number;
  /** Of the socket's file, as in /proc/PID/fd: "socket:[INODE]"; 0 when it has none (not accepted yet, or closed). */
  readonly inode: number;
  /** The kernel's id of the socket, never used twice. */
  readonly cookie: bigint;
  /** Index of the network device that the socket is bound to; 0 for any. */
  readonly device: number;
  /** Of a listening IPv6 socket: it takes no IPv4 connections. */
  readonly isOnlyIpv6: boolean;
  /** struct inet_diag_sockid, to name the socket in a request. */
  readonly id: Uint8Array<ArrayBuffer>;
}

/** Asks for all sockets of a family, local port and set of states. */
export function dumpRequest(family: 4 | 6, localPort: number, stateSet: number): Uint8Array<ArrayBuffer> {
  const { bytes, view } = message(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, family, stateSet);
  view.setUint16(HEADER + 8, localPort);
  return bytes;
}

/** Asks for the one socket with these ends; the kernel answers with a listener when there's no such connection. */
export function lookupRequest(
  local: { address: IpAddress; port: number },
  remote: { address: IpAddress; port: number },
  protocol: keyof typeof protocols = "tcp",
): Uint8Array<ArrayBuffer> {
  const { family } = local.address;
  const { bytes, view } = message(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, family, 0xffffffff, protocol);
  const id = HEADER + 8;
  view.setUint16(id, local.port);
  view.setUint16(id + 2, remote.port);
  bytes.set(family === 4 ? local.address.bytes.subarray(12) : local.address.bytes, id + 4);
  bytes.set(family === 4 ? remote.address.bytes.subarray(12) : remote.address.bytes, id + 20);
  bytes.fill(0xff, id + 40, id + SOCKID); // INET_DIAG_NOCOOKIE
  return bytes;
}

/** Has the kernel close a socket: both ends see a reset. Answered by an NLMSG_ERROR, 0 when it was done. */
export function destroyRequest(socket: DiagSocket): Uint8Array<ArrayBuffer> {
  const { bytes } = message(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, socket.family, 0xffffffff);
  bytes.set(socket.id, HEADER + 8);
  return bytes;
}

/** One netlink message of an answer. */
export type DiagAnswer =
  | { readonly kind: "socket"; readonly socket: DiagSocket }
  | { readonly kind: "done" }
  /** errno, positive; 0 is an acknowledgement. */
  | { readonly kind: "error"; readonly errno: number };

/** The messages of what one `recv` gave. */
export function* answers(bytes: Uint8Array<ArrayBuffer>): Generator<DiagAnswer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + HEADER <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) throw new Error("sock_diag: an answer was cut");
    const type = view.getUint16(at + 4, true);
    if (type === NLMSG_DONE) yield { kind: "done" };
    else if (type === NLMSG_ERROR) yield { kind: "error", errno: -view.getInt32(at + HEADER, true) };
    else if (length >= HEADER + MESSAGE) {
      yield { kind: "socket", socket: socketAt(bytes.subarray(at + HEADER, at + length)) };
    }
    at += (length + 3) & ~3;
  }
}

function socketAt(bytes: Uint8Array<ArrayBuffer>): DiagSocket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint8(0) === families[4] ? 4 : 6;
  const id = bytes.slice(4, 4 + SOCKID);
  return {
    family,
    state: 1 << view.getUint8(1),
    local: { address: addressIn(id.subarray(4, 20), family), port: view.getUint16(4) },
    remote: { address: addressIn(id.subarray(20, 36), family), port: view.getUint16(6) },
    uid: view.getUint32(64, true),
    inode: view.getUint32(68, true),
    cookie: new DataView(id.buffer).getBigUint64(40, true),
    device: new DataView(id.buffer).getUint32(36, true),
    isOnlyIpv6: attribute(bytes.subarray(MESSAGE), INET_DIAG_SKV6ONLY)?.[0] === 1,
    id,
  };
}

/** The contents of one attribute (struct nlattr); undefined when it isn't there. */
function attribute(bytes: Uint8Array, type: number): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) return undefined;
    if (view.getUint16(at + 2, true) === type) return bytes.subarray(at + 4, at + length);
    at += (length + 3) & ~3;
  }
}

function addressIn(bytes: Uint8Array, family: 4 | 6): IpAddress {
  if (family === 6) return addressOf(bytes);
  const mapped = new Uint8Array(16);
  mapped.set([0xff, 0xff], 10);
  mapped.set(bytes.subarray(0, 4), 12);
  return addressOf(mapped);
}

function message(
  type: number,
  flags: number,
  family: 4 | 6,
  stateSet: number,
  protocol: keyof typeof protocols = "tcp",
) {
  const bytes = new Uint8Array(HEADER + REQUEST);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  bytes.set([families[family], protocols[protocol]], HEADER);
  view.setUint32(HEADER + 4, stateSet, true);
  return { bytes, view };
}
