import { libc } from "../libc.ts";

const F_GETFD = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/**
 * Keeps the descriptors that this process was started with from the programs that it starts, but for standard input, output and error.
 * Deno's own ones aren't inherited anyway. A shell's are: a background process that keeps one holds a lock (`flock`), or the end of a
 * pipe that another program waits for.
 */
export function keepDescriptors(): void {
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (fd <= 2) continue;
    const flags = libc.fcntl(fd, F_GETFD, 0);
    // Negative for the descriptor that was open for reading this folder.
    if (flags >= 0 && (flags & FD_CLOEXEC) === 0) libc.fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
  }
}
