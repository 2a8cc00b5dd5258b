import { cstring, libc, must, O_CLOEXEC, SystemCallError } from "../libc.ts";

/**
 * Files of /proc and /sys by the C library: Deno reads them only with all permissions, whatever it is allowed else,
 * and an agent that has few shall not have to have all.
 */

const { read } = Deno.dlopen("libc.so.6", {
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
}).symbols;

const AT_FDCWD = -100;
const STATX_INO = 0x100;
/** Bytes of a file; those read here are far smaller. */
const LONGEST = 16 << 20;

/** A whole file as text. @throws {SystemCallError} ENOENT (2), ESRCH (3) when the process has gone, EACCES (13). */
export function readProcFile(path: string): string {
  const fd = must(`open ${path}`, libc.open(cstring(path), O_CLOEXEC, 0));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  try {
    for (let length = 0; length < LONGEST;) {
      const into = new Uint8Array(16_384);
      const n = must(`read ${path}`, read(fd, into, BigInt(into.length)));
      if (n === 0) break;
      parts.push(into.subarray(0, n));
      length += n;
    }
  } finally {
    libc.close(fd);
  }
  const decoder = new TextDecoder();
  return parts.map((part) => decoder.decode(part, { stream: true })).join("") + decoder.decode();
}

/** Whether an error says that there's no such file, or not any more. */
export function isGone(error: unknown): boolean {
  return error instanceof SystemCallError && (error.errno === 2 || error.errno === 3);
}

/** The inode of what a path leads to: of a namespace's path, the namespace. @throws {SystemCallError} */
export function inodeOf(path: string): number {
  const stat = new Uint8Array(256);
  must(`stat ${path}`, libc.statx(AT_FDCWD, cstring(path), 0, STATX_INO, stat));
  return Number(new DataView(stat.buffer).getBigUint64(32, true));
}
