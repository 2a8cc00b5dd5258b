/**
 * Receive windows: how many bytes the peer may still send (RFC 9113 §5.2 and §6.9). window_growth.ts decides how large a
 * stream's window is.
 *
 * Hot path: whole numbers only, no allocation.
 */

/** The window of one stream. It is credited as its reader consumes bytes, so a slow reader slows its own stream only. */
export class StreamWindow {
  /** Bytes that may be in flight or unread. */
  #size: number;
  /** Bytes that the peer may still send. */
  #available: number;
  /** Bytes that the reader consumed and that aren't announced yet. */
  #taken = 0;
  /** Bytes announced before the window shrank. An announcement can't be withdrawn, only not renewed. */
  #excess = 0;
  /** Bytes that the reader consumed since `#since` (milliseconds), for its pace. */
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

  /** Counts received bytes; returns false if they exceed the announced window. */
  receive(bytes: number): boolean {
    this.#available -= bytes;
    return this.#available >= 0;
  }

  /** Counts consumed bytes; returns the increment to announce now, or 0. A quarter of the window is announced at a time. */
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

  /** Grows the window; returns the increment to announce. */
  grow(size: number): number {
    if (size <= this.#size) return 0;
    const growth = size - this.#size;
    this.#size = size;
    const known = Math.min(this.#excess, growth);
    this.#excess -= known;
    return this.#announce(growth - known + this.#taken);
  }

  /** Shrinks the window, as fast as its reader consumes what was announced before. */
  shrink(size: number): void {
    if (size >= this.#size) return;
    this.#excess += this.#size - size;
    this.#size = size;
  }

  /**
   * Measures the reader's pace by the bytes that are announced.
   * @returns the bytes that the reader consumes in one round trip, if one has passed since the last result; else 0
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

/** The smallest increment to announce, in bytes. */
const LEAST_CREDIT = 16 * 1024;
/** Bytes that the streams of a connection may buffer while those of all connections together buffer too much. */
const PRESSED_CAP = 1024 * 1024;

/** What several connections may buffer together. */
export interface SharedCap {
  /** Received and unread bytes of all of them. */
  buffered: number;
  /** With more than so many, each connection may buffer little: those that hold much have to give way. */
  readonly most: number;
}

/**
 * The window of the connection. It is credited as bytes arrive, read or not, so that no stream waits for another's reader.
 * Invariant: buffered bytes and bytes that may still arrive are together at most the cap.
 */
export class ConnectionWindow {
  /** Bytes that all streams may buffer together. */
  readonly cap: number;
  readonly #target: number;
  #shared: SharedCap | undefined;
  #available: number;
  #buffered = 0;

  /**
   * @param initial bytes that the peer may send before the first announcement (RFC 9113 §6.9.2)
   * @param target bytes that may be in flight
   * @param cap bytes that all streams may buffer together
   * @param shared of all connections that it is one of
   */
  constructor(initial: number, target: number, cap: number, shared?: SharedCap) {
    this.#shared = shared;
    this.#available = initial;
    this.cap = Math.max(cap, initial);
    this.#target = Math.min(target, this.cap);
  }

  /** Received and unread bytes. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Bytes that all streams may buffer together now. */
  get allowed(): number {
    const shared = this.#shared;
    return shared !== undefined && shared.buffered > shared.most ? Math.min(this.cap, PRESSED_CAP) : this.cap;
  }

  /** Whether the peer can't send because of the cap alone. */
  get held(): boolean {
    return this.#available < LEAST_CREDIT && this.allowed - this.#buffered - this.#available < LEAST_CREDIT;
  }

  /** The connection has ended: what is still unread counts no longer for the others. */
  end(): void {
    if (this.#shared !== undefined) this.#shared.buffered -= this.#buffered;
    this.#shared = undefined;
  }

  /** Counts received bytes; returns false if they exceed the announced window. */
  receive(bytes: number): boolean {
    this.#available -= bytes;
    this.#buffered += bytes;
    if (this.#shared !== undefined) this.#shared.buffered += bytes;
    return this.#available >= 0;
  }

  /** Counts bytes that left the buffers. */
  release(bytes: number): void {
    this.#buffered -= bytes;
    if (this.#shared !== undefined) this.#shared.buffered -= bytes;
  }

  /** Returns the increment to announce now, or 0: a quarter of the target at a time, less near the cap. */
  credit(): number {
    const most = Math.min(this.#target, this.allowed - this.#buffered);
    const increment = most - this.#available;
    const step = most < this.#target ? Math.min(LEAST_CREDIT, this.#target >>> 2) : this.#target >>> 2;
    if (increment <= 0 || increment < step) return 0;
    this.#available += increment;
    return increment;
  }
}
