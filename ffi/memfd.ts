import { cstring, libc, must } from "./libc.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL, SHRINK, GROW, WRITE: the bytes can't be changed any more, not even by this process. */
const ALL_SEALS = 1 | 2 | 4 | 8;

/**
 * Makes a sealed file in memory with these bytes (memfd_create(2)). Its path is for dlopen. The file stays open until the
 * process ends: glibc identifies libraries by path, so another file with the same descriptor would yield the first library.
 * @throws {SystemCallError}
 */
export function sealedFile(bytes: Uint8Array<ArrayBuffer>, name: string): { fd: number; path: string } {
  const fd = must("memfd_create", libc.memfd_create(cstring(name), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  for (let at = 0; at < bytes.length;) {
    const rest = bytes.subarray(at);
    at += must("write", libc.write(fd, rest, BigInt(rest.length)));
  }
  must("fcntl F_ADD_SEALS", libc.fcntl(fd, F_ADD_SEALS, ALL_SEALS));
  return { fd, path: `/proc/self/fd/${fd}` };
}
