/** How a stock is kept. */
export interface StockOptions {
  /** Asks attach for so many sockets; they come by `add`. */
  readonly ask: (count: number) => void;
  /** Closes a descriptor. */
  readonly close: (fd: number) => void;
  /** Milliseconds that a dial waits for a socket; 1,000 without it. */
  readonly waitMs?: number;
}

/** Below so many more are asked for; so many are asked for at once (attach gives 64 at most). */
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
 * Unconnected sockets that attach made in a pod's network namespace, for dialling its application: relay can't make
 * any there itself. Owns their descriptors until they're taken; who waits is served in order.
 */
export class Stock implements Disposable {
  readonly #options: StockOptions;
  readonly #fds: number[] = [];
  readonly #waiting: Waiter[] = [];
  #asked = 0;
  #starved = false;
  #closed = false;

  constructor(options: StockOptions) {
    this.#options = options;
  }

  /**
   * Takes a socket; it's the caller's then.
   * @throws when none came in time, or the pod is gone.
   */
  take(): Promise<number> {
    if (this.#closed) return Promise.reject(gone());
    const fd = this.#fds.pop();
    const taken = fd === undefined ? this.#wait() : Promise.resolve(fd);
    this.#refill();
    return taken;
  }

  /** Whether a dial had to be given up and nothing has come since: attach hangs, and the pod can't be dialled. */
  get starved(): boolean {
    return this.#starved;
  }

  /** Asks again, for when attach goes on. */
  retry(): void {
    this.#asked = 0;
    this.#refill();
  }

  /** What attach sent. Nothing changes where nothing came with it: this process is out of descriptors. */
  add(fds: readonly number[]): void {
    if (fds.length === 0) return;
    this.#starved = false;
    this.#asked = Math.max(0, this.#asked - fds.length);
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
      reject(gone());
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
        this.#asked = 0; // ask again next time
        reject(new Error(`attach gave no socket to dial the pod with in ${waitMs} ms`));
      }, waitMs);
      const waiter: Waiter = { resolve, reject, timer };
      this.#waiting.push(waiter);
    });
  }

  /** Asks until what is here and on its way serves those who wait, and LOW more. */
  #refill(): void {
    while (this.#fds.length + this.#asked < this.#waiting.length + LOW) {
      this.#asked += BATCH;
      this.#options.ask(BATCH);
    }
  }
}

function gone(): Error {
  return new Error("the pod is gone, or left alone again");
}
