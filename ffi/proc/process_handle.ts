import { closeDescriptor } from "../sockets/socket.ts";
import { errno, SystemCallError } from "../libc.ts";
import { startOfStat } from "./pod_cgroup.ts";
import { readProcFile } from "./proc_file.ts";

// Of any number of arguments in C, of numbers here: glibc has functions for these two calls since 2.36 only.
const { syscall } = Deno.dlopen("libc.so.6", {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64"], result: "i64" },
}).symbols;

/** The numbers of pidfd_send_signal(2) (5.1) and pidfd_open(2) (5.3): the same on all machines that pmz runs on. */
const PIDFD_SEND_SIGNAL = 424n;
const PIDFD_OPEN = 434n;
const signals = { SIGTERM: 15n, SIGKILL: 9n } as const;
const ESRCH = 3;

/** When a process began, in clock ticks since boot: with its id it means one process for ever. @throws when it is gone */
export function startOf(pid: number): number {
  return Number(startOfStat(readProcFile(`/proc/${pid}/stat`)));
}

/** A process, held so that its id can't become another's (a pidfd). */
export class ProcessHandle implements Disposable {
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** The process that has this id and began then; undefined when it has ended. @throws {SystemCallError} */
  static open(pid: number, start: number): ProcessHandle | undefined {
    const fd = Number(syscall(PIDFD_OPEN, BigInt(pid), 0n, 0n, 0n));
    if (fd < 0) {
      if (errno() === ESRCH) return undefined;
      throw new SystemCallError("pidfd_open", errno());
    }
    const handle = new ProcessHandle(fd);
    try {
      if (startOf(pid) === start) return handle; // looked at while it is held
    } catch {
      // It has ended meanwhile.
    }
    handle[Symbol.dispose]();
  }

  /** Sends a signal; nothing comes of it when the process has ended. @throws {SystemCallError} */
  kill(signal: keyof typeof signals): void {
    const result = syscall(PIDFD_SEND_SIGNAL, BigInt(this.#fd), signals[signal], 0n, 0n);
    if (result < 0n && errno() !== ESRCH) throw new SystemCallError("pidfd_send_signal", errno());
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeDescriptor(this.#fd);
    this.#fd = -1;
  }
}
