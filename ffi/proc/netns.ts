import { cstring, libc, must, O_CLOEXEC } from "../libc.ts";
import { inodeOf } from "./proc_file.ts";

export { inodeOf } from "./proc_file.ts";

const { setns } = Deno.dlopen("libc.so.6", { setns: { parameters: ["i32", "i32"], result: "i32" } }).symbols;

const CLONE_NEWNET = 0x40000000;

/** A network namespace, held open: it stays as long as somebody holds it, even when its last process is gone. */
export class Netns implements Disposable {
  #fd: number;
  /** What tells it from any other that exists now (the inode in nsfs). */
  readonly inode: number;

  /**
   * Opens a namespace by its path: /proc/PID/ns/net, or /proc/self/fd/N/ns/net of a directory that was checked before.
   * @throws {SystemCallError} ENOENT (2) or ESRCH (3) when the process is gone, EACCES (13) without SYS_PTRACE.
   */
  constructor(path: string) {
    this.#fd = must(`opening ${path}`, libc.open(cstring(path), O_CLOEXEC, 0));
    this.inode = inodeOf(`/proc/self/fd/${this.#fd}`);
  }

  /** The descriptor, for attaching BPF to the namespace; it stays this object's. */
  get fd(): number {
    if (this.#fd < 0) throw new Error("the network namespace was closed before");
    return this.#fd;
  }

  /**
   * Runs `body` in the namespace: sockets that it makes stay there. It must not wait for anything, since only the
   * calling thread is there, and only until it returns.
   *
   * The process ends at once should the way back fail: it would go on in a stranger's network.
   *
   * @throws {SystemCallError} EPERM (1) without SYS_ADMIN; {TypeError} for a body that returns a promise.
   */
  run<T>(body: () => T): T {
    const home = must(
      "opening this thread's netns",
      libc.open(cstring("/proc/thread-self/ns/net"), O_CLOEXEC, 0),
    );
    try {
      must("setns", setns(this.fd, CLONE_NEWNET));
      let result: T;
      try {
        result = body();
      } finally {
        if (setns(home, CLONE_NEWNET) !== 0) Deno.exit(71); // EX_OSERR of sysexits.h
      }
      if (result instanceof Promise) {
        throw new TypeError("what runs in another netns must not be asynchronous");
      }
      return result;
    } finally {
      libc.close(home);
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) libc.close(this.#fd);
    this.#fd = -1;
  }
}
