import { cstring, libc, must } from "./libc.ts";

const AT_EMPTY_PATH = 0x1000;
const STATX_TYPE_MODE_UID_INO = 0x1 | 0x2 | 0x8 | 0x100;
const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;
const S_IFDIR = 0o040000;
const SIOCGSKNS = 0x894cn; // 4.10
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;
const SOL_SOCKET = 1;

/** What a descriptor is. */
export interface DescriptorFacts {
  readonly kind: "socket" | "folder" | "other";
  /** Its owner: of a socket, who made it. */
  readonly uid: number;
  readonly inode: bigint;
}

/** statx(2), since fstat isn't exported by glibc before 2.33. @throws {SystemCallError} EBADF (9) */
export function factsOf(fd: number): DescriptorFacts {
  const stat = new Uint8Array(256);
  must("statx", libc.statx(fd, cstring(""), AT_EMPTY_PATH, STATX_TYPE_MODE_UID_INO, stat));
  const view = new DataView(stat.buffer);
  const type = view.getUint16(28, true) & S_IFMT;
  return {
    kind: type === S_IFSOCK ? "socket" : type === S_IFDIR ? "folder" : "other",
    uid: view.getUint32(20, true),
    inode: view.getBigUint64(32, true),
  };
}

/** What a socket is, in the kernel's numbers (AF_INET, SOCK_STREAM, IPPROTO_TCP, ...). */
export interface SocketFacts {
  readonly domain: number;
  readonly type: number;
  readonly protocol: number;
  readonly listens: boolean;
}

/** @throws {SystemCallError} ENOTSOCK (88) */
export function socketFactsOf(fd: number): SocketFacts {
  return {
    domain: option(fd, SO_DOMAIN),
    type: option(fd, SO_TYPE),
    protocol: option(fd, SO_PROTOCOL),
    listens: option(fd, SO_ACCEPTCONN) !== 0,
  };
}

/** The network namespace that a socket is of, as the inode of its file. @throws {SystemCallError} EPERM (1) without NET_ADMIN */
export function netnsOf(socket: number): bigint {
  const fd = must("SIOCGSKNS", libc.ioctl(socket, SIOCGSKNS, new Uint8Array(8)));
  try {
    return factsOf(fd).inode;
  } finally {
    libc.close(fd);
  }
}

function option(fd: number, name: number): number {
  const value = new Uint8Array(4);
  const length = new Uint8Array(new Uint32Array([4]).buffer);
  must(`getsockopt ${name}`, libc.getsockopt(fd, SOL_SOCKET, name, value, length));
  return new DataView(value.buffer).getInt32(0, true);
}
