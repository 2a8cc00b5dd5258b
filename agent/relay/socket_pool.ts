/** What a pool needs of its owner. */
export interface SocketPoolOptions {
  /** Asks attach for so many sockets; they come by `add`. */
  readonly request: (count: number) => void;
  /** Closes a descriptor. */
  readonly close: (fd: number) => void;
  /** Milliseconds that a dial waits for a socket; 1,000 by default. */
  readonly waitMs?: number;
}

/** The pool asks for BATCH more (attach gives 64 at most) when it would fall below LOW. */
const LOW = 8;
const BATCH = 32;
/** Dials that may wait for a socket. */
const MOST_WAITING = 4096;

interface Waiter {
  readonly resolve: (fd: number) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * Unconnected sockets that attach made in a pod's network namespace, for dialling its application: relay has no right to
 * make any there. The pool owns their descriptors until they are taken; dials that wait are served in order.
 */
export class SocketPool implements Disposable {
  readonly #options: SocketPoolOptions;
  readonly #fds: number[] = [];
  readonly #waiting: Waiter[] = [];
  #requested = 0;
  #starved = false;
  #closed = false;

  constructor(options: SocketPoolOptions) {
    this.#options = options;
  }

  /**
   * Takes a socket, which then belongs to the caller.
   * @throws when none came in time, or the pod was released.
   */
  take(): Promise<number> {
    if (this.#closed) return Promise.reject(released());
    const fd = this.#fds.pop();
    const taken = fd === undefined ? this.#wait() : Promise.resolve(fd);
    this.#refill();
    return taken;
  }

  /** Whether a dial was given up and no socket has come since: attach hangs, and the pod can't be dialled. */
  get starved(): boolean {
    return this.#starved;
  }

  /** Asks again, in case attach answers by now. */
  retry(): void {
    this.#requested = 0;
    this.#refill();
  }

  /** Adds what attach sent. A message without sockets changes nothing: this process has no descriptors left. */
  add(fds: readonly number[]): void {
    if (fds.length === 0) return;
    this.#starved = false;
    this.#requested = Math.max(0, this.#requested - fds.length);
    for (const fd of fds) {
      const waiter = this.#waiting.shift();
      if (this.#closed) this.#options.close(fd);
      else if (!waiter) this.#fds.push(fd);
      else {
        clearTimeout(waiter.timer);
        waiter.resolve(fd);
      }
    }
    if (!this.#closed) this.#refill();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const fd of this.#fds.splice(0)) this.#options.close(fd);
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(released());
    }
  }

  #wait(): Promise<number> {
    if (this.#waiting.length >= MOST_WAITING) {
      return Promise.reject(new Error(`${MOST_WAITING} dials to the pod wait already`));
    }
    return new Promise((resolve, reject) => {
      const { waitMs = 1_000 } = this.#options;
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        this.#starved = true;
        this.#requested = 0; // the next dial asks again
        reject(new Error(`attach gave no socket to dial the pod with in ${waitMs} ms`));
      }, waitMs);
      const waiter: Waiter = { resolve, reject, timer };
      this.#waiting.push(waiter);
    });
  }

  /** Asks until the sockets that are here and on their way serve all waiting dials, and LOW more. */
  #refill(): void {
    while (this.#fds.length + this.#requested < this.#waiting.length + LOW) {
      this.#requested += BATCH;
      this.#options.request(BATCH);
    }
  }
}

function released(): Error {
  return new Error("the pod was released");
}
