import { Places } from "./places.ts";

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
/** Dials that may wait for a socket, shared by those that they are for. */
const MOST_WAITING = 4096;

interface Waiter {
  readonly resolve: (fd: number) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * Unconnected sockets that attach made in a pod's network namespace, for dialling its application: relay has no right to
 * make any there. The pool owns their descriptors until they are taken. Callers whose dials wait are served in turns.
 */
export class SocketPool implements Disposable {
  readonly #options: SocketPoolOptions;
  readonly #fds: number[] = [];
  /** By caller, in the order of their turns. */
  readonly #waiting = new Map<string, Waiter[]>();
  readonly #places = new Places(MOST_WAITING);
  #requested = 0;
  #starved = false;
  #closed = false;

  constructor(options: SocketPoolOptions) {
    this.#options = options;
  }

  /**
   * Takes a socket, which then belongs to who asked.
   * @param owner the address of the caller that it is for
   * @throws when none came in time, or the pod was released.
   */
  take(owner: string): Promise<number> {
    if (this.#closed) return Promise.reject(released());
    const fd = this.#fds.pop();
    const taken = fd === undefined ? this.#wait(owner) : Promise.resolve(fd);
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
      const waiter = this.#next();
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
    for (let waiter = this.#next(); waiter !== undefined; waiter = this.#next()) {
      clearTimeout(waiter.timer);
      waiter.reject(released());
    }
  }

  /** The dial whose turn it is: the first one of the caller that was served longest ago. */
  #next(): Waiter | undefined {
    for (const [owner, waiters] of this.#waiting) {
      const waiter = waiters.shift();
      this.#waiting.delete(owner);
      if (waiters.length > 0) this.#waiting.set(owner, waiters);
      this.#places.leave(owner);
      return waiter;
    }
  }

  #giveUp(owner: string, waiter: Waiter): void {
    const waiters = this.#waiting.get(owner) ?? [];
    waiters.splice(waiters.indexOf(waiter), 1);
    if (waiters.length === 0) this.#waiting.delete(owner);
    this.#places.leave(owner);
  }

  #wait(owner: string): Promise<number> {
    if (!this.#places.enter(owner)) {
      return Promise.reject(new Error(`${this.#places.taken} dials to the pod wait already`));
    }
    return new Promise((resolve, reject) => {
      const { waitMs = 1_000 } = this.#options;
      const timer = setTimeout(() => {
        this.#giveUp(owner, waiter);
        this.#starved = true;
        this.#requested = 0; // the next dial asks again
        reject(new Error(`attach gave no socket to dial the pod with in ${waitMs} ms`));
      }, waitMs);
      const waiter: Waiter = { resolve, reject, timer };
      const waiters = this.#waiting.get(owner);
      if (waiters) waiters.push(waiter);
      else this.#waiting.set(owner, [waiter]);
    });
  }

  /** Asks until the sockets that are here and on their way serve all waiting dials, and LOW more. */
  #refill(): void {
    while (this.#fds.length + this.#requested < this.#places.taken + LOW) {
      this.#requested += BATCH;
      this.#options.request(BATCH);
    }
  }
}

function released(): Error {
  return new Error("the pod was released");
}
