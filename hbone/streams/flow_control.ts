/**
 * What a peer may still send: the windows that this end announces (RFC 9113 §5.2 and §6.9). How large a stream's is,
 * window_growth.ts decides.
 *
 * Hot path: whole numbers only, no allocation.
 */

/** The window of one stream: credited as its reader takes bytes, so that a slow reader is limited by it alone. */
export class StreamWindow {
  /** Bytes the peer may have on the way or in our buffer. */
  #size: number;
  /** Bytes it may still send. */
  #available: number;
  /** Bytes that the reader took and that the peer wasn't told of yet. */
  #taken = 0;
  /** Bytes that were announced before the window shrank: what is announced can't be taken back, only not be renewed. */
  #excess = 0;
  /** What the reader took since when (milliseconds): how fast it is. */
  #pace = 0;
  #paceSince = 0;

  constructor(size: number) {
    this.#size = size;
    this.#available = size;
  }

  get size(): number {
    return this.#size;
  }

  /** When the reader was last measured, in milliseconds. */
  get measured(): number {
    return this.#paceSince;
  }

  /** Counts bytes that came; false when they are more than was announced. */
  receive(bytes: number): boolean {
    this.#available -= bytes;
    return this.#available >= 0;
  }

  /** Counts bytes that the reader took; returns the increment to announce now, or 0: a quarter of the window at a time. */
  take(bytes: number): number {
    if (this.#excess > 0) {
      const kept = Math.min(this.#excess, bytes);
      this.#excess -= kept;
      bytes -= kept;
    }
    this.#taken += bytes;
    if (this.#taken < this.#size >>> 2 || this.#taken === 0) return 0;
    return this.#announce(this.#taken);
  }

  /** Makes the window larger; returns the increment to announce. */
  grow(size: number): number {
    if (size <= this.#size) return 0;
    const growth = size - this.#size;
    this.#size = size;
    const known = Math.min(this.#excess, growth);
    this.#excess -= known;
    return this.#announce(growth - known + this.#taken);
  }

  /** Makes the window smaller, as fast as its reader takes what was announced before. */
  shrink(size: number): void {
    if (size >= this.#size) return;
    this.#excess += this.#size - size;
    this.#size = size;
  }

  /**
   * Counts bytes that were announced, as the reader's pace.
   * @returns the bytes that the reader takes in one round trip, once one has passed since the last answer; else 0.
   */
  measure(bytes: number, now: number, roundTripMs: number): number {
    this.#pace += bytes;
    const passed = now - this.#paceSince;
    if (passed < roundTripMs) return 0;
    const taken = this.#pace * roundTripMs / passed;
    this.#pace = 0;
    this.#paceSince = now;
    return taken;
  }

  #announce(increment: number): number {
    this.#available += increment;
    this.#taken = 0;
    return increment;
  }
}

/** Bytes that are announced at least. */
const LEAST_CREDIT = 16 * 1024;

/**
 * The window of the connection: credited as bytes come, read or not, so that no stream waits for another's reader.
 * Invariant: what is buffered and what may still come are together never more than the cap.
 */
export class ConnectionWindow {
  /** Bytes that all streams may buffer together. */
  readonly cap: number;
  readonly #target: number;
  #available: number;
  #buffered = 0;

  /**
   * @param initial bytes the peer may send before it hears of us (RFC 9113 §6.9.2)
   * @param target bytes the peer may have on the way
   * @param cap bytes that all streams may buffer together
   */
  constructor(initial: number, target: number, cap: number) {
    this.#available = initial;
    this.cap = Math.max(cap, initial);
    this.#target = Math.min(target, this.cap);
  }

  /** Bytes that came and nobody took yet. */
  get buffered(): number {
    return this.#buffered;
  }

  /** The cap alone keeps the peer from sending. */
  get held(): boolean {
    return this.#available < LEAST_CREDIT && this.cap - this.#buffered - this.#available < LEAST_CREDIT;
  }

  /** Counts bytes that came and are kept; false when they are more than was announced. */
  receive(bytes: number): boolean {
    this.#available -= bytes;
    this.#buffered += bytes;
    return this.#available >= 0;
  }

  /** Counts bytes that are not kept any more. */
  release(bytes: number): void {
    this.#buffered -= bytes;
  }

  /** The increment to announce now, or 0: a quarter of the target at a time, less where the cap is near. */
  credit(): number {
    const most = Math.min(this.#target, this.cap - this.#buffered);
    const increment = most - this.#available;
    const step = most < this.#target ? Math.min(LEAST_CREDIT, this.#target >>> 2) : this.#target >>> 2;
    if (increment <= 0 || increment < step) return 0;
    this.#available += increment;
    return increment;
  }
}
