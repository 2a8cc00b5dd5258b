import { sleep } from "../../async/sleep.ts";
import { libc, must, O_CLOEXEC } from "../libc.ts";

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLLIN = 1;
const FOREVER = -1;
/** Descriptors that one wait tells. */
const MOST_EVENTS = 64;
/** Bytes of struct epoll_event: packed on x86-64 alone (man 2 epoll_ctl). */
const EVENT = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA = EVENT - 8;
/** Milliseconds until a wait that failed is repeated: a signal may have interrupted it. */
const RETRY_MS = 50;

/**
 * Tells when descriptors can be read, by one thread for all of them (epoll(7)): for sockets that Deno can't adopt, as those of UDP.
 * The wait blocks a thread of Deno's pool, which disposing wakes; so use it on the main thread only, as SeqPacket.
 */
export class Readiness implements Disposable {
  readonly #epoll: number;
  /** An eventfd that wakes the wait for good. */
  readonly #end: number;
  readonly #ready = new Map<number, () => void>();
  readonly #event = new DataView(new ArrayBuffer(EVENT));
  #isWaiting = false;
  #isClosed = false;

  /** @throws {SystemCallError} when the process is out of descriptors */
  constructor() {
    this.#epoll = must("epoll_create1", libc.epoll_create1(O_CLOEXEC));
    try {
      this.#end = must("eventfd", libc.eventfd(0, O_CLOEXEC));
    } catch (error) {
      libc.close(this.#epoll);
      throw error;
    }
    this.#control(EPOLL_CTL_ADD, this.#end);
  }

  /**
   * Calls `ready` whenever the descriptor can be read, until what is returned is disposed: before the descriptor is closed. What
   * `ready` leaves unread it is told again.
   * @throws {SystemCallError}
   */
  watch(fd: number, ready: () => void): Disposable {
    this.#control(EPOLL_CTL_ADD, fd);
    this.#ready.set(fd, ready);
    if (!this.#isWaiting) void this.#wait();
    return {
      [Symbol.dispose]: () => {
        if (!this.#ready.delete(fd) || this.#isClosed) return;
        this.#control(EPOLL_CTL_DEL, fd);
      },
    };
  }

  async #wait(): Promise<void> {
    this.#isWaiting = true;
    const events = new Uint8Array(MOST_EVENTS * EVENT);
    const view = new DataView(events.buffer);
    while (!this.#isClosed) {
      const count = await libc.epollWaiting(this.#epoll, events, MOST_EVENTS, FOREVER);
      if (this.#isClosed) break;
      if (count < 0) await sleep(RETRY_MS);
      // One that came before may have ended the watch of another.
      for (let at = 0; at < count; at++) this.#ready.get(view.getInt32(at * EVENT + DATA, true))?.();
    }
    this.#release();
  }

  /** Ends it: nothing is told any more. */
  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#ready.clear();
    libc.write(this.#end, new Uint8Array(new BigUint64Array([1n]).buffer), 8n);
    // What a thread waits on may only be closed once it has returned.
    if (!this.#isWaiting) this.#release();
  }

  #release(): void {
    libc.close(this.#end);
    libc.close(this.#epoll);
  }

  #control(operation: number, fd: number): void {
    this.#event.setUint32(0, EPOLLIN, true);
    this.#event.setInt32(DATA, fd, true);
    must("epoll_ctl", libc.epoll_ctl(this.#epoll, operation, fd, new Uint8Array(this.#event.buffer)));
  }
}
