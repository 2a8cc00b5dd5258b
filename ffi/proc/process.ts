import { cstring, libc, must, O_CLOEXEC, SystemCallError } from "../libc.ts";

const PR_SET_DUMPABLE = 4;
const RLIMIT_CORE = 4;
const LOCK_EX_NB = 2 | 4;
const EAGAIN = 11;
const O_RDWR = 2;
const O_CREAT = 0o100;
const O_NOFOLLOW = 0o400000;

/** Makes this process not dumpable (prctl(2)): no core dump, no ptrace, and /proc/self belongs to root. */
export function keepSecrets(): void {
  must("PR_SET_DUMPABLE", libc.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n));
  must("RLIMIT_CORE", libc.setrlimit(RLIMIT_CORE, new Uint8Array(16)));
}

/** Leaves the terminal and the session of who started this process; fine where it leads one already. */
export function leaveSession(): void {
  libc.setsid();
}

/** A lock that goes with its process, on a file that is made where there's none: flock(2). */
export class FileLock implements Disposable {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Takes the lock; undefined when somebody has it.
   * @param options.inherited processes that are started from here on hold it too, and as long as they live
   * @throws {SystemCallError} ELOOP (40) for a symbolic link
   */
  static take(path: string, { inherited = false } = {}): FileLock | undefined {
    const flags = O_RDWR | O_CREAT | O_NOFOLLOW | (inherited ? 0 : O_CLOEXEC);
    const fd = must(`open ${path}`, libc.open(cstring(path), flags, 0o600));
    try {
      must(`flock ${path}`, libc.flock(fd, LOCK_EX_NB));
      return new FileLock(fd);
    } catch (error) {
      libc.close(fd);
      if (error instanceof SystemCallError && error.errno === EAGAIN) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }
}
