/**
 * Buffers that are used again. Making one of 256 KiB for each connection and direction costs a third of all new
 * connections a second; holding large ones for quiet connections costs memory. So: size classes and free lists.
 */

/** Bytes of a buffer that has room for a frame of 64 KiB with its header. */
export const ONE_FRAME = 64 * 1024 + 16;
const CLASSES = [4 * 1024, 16 * 1024, ONE_FRAME, 128 * 1024, 256 * 1024] as const;
/** Bytes that a free list of one class keeps at most. */
const KEEP = 4 * 1024 * 1024;

/** The smallest buffer that a pool gives out, in bytes: what a waiting read of a quiet connection pins. */
export const SMALLEST: number = CLASSES[0];
export const LARGEST = 256 * 1024;

export class BufferPool {
  readonly #free: Uint8Array<ArrayBuffer>[][] = CLASSES.map(() => []);

  /** A buffer of at least `size` bytes (its class's size; above the largest class exactly `size`). Its content is anything. */
  take(size: number): Uint8Array<ArrayBuffer> {
    for (let i = 0; i < CLASSES.length; i++) {
      const bytes = CLASSES[i] as number;
      if (bytes >= size) return this.#free[i]?.pop() ?? new Uint8Array(bytes);
    }
    return new Uint8Array(size);
  }

  /** Takes back a whole buffer of `take`; the caller must not touch it any more. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    for (let i = 0; i < CLASSES.length; i++) {
      if (CLASSES[i] !== buffer.length) continue;
      const free = this.#free[i];
      if (free !== undefined && free.length * buffer.length < KEEP) free.push(buffer);
      return;
    }
  }
}

/**
 * A read buffer that several streams hold parts of, until each has passed its part on. It goes back to the pool
 * when the last one lets go.
 */
export class Segment {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #pool: BufferPool;
  readonly #freed: (segment: Segment) => void;
  #holds = 1;

  constructor(pool: BufferPool, size: number, freed: (segment: Segment) => void) {
    this.#pool = pool;
    this.#freed = freed;
    this.bytes = pool.take(size);
  }

  /** True when only the one who made it holds it. */
  get alone(): boolean {
    return this.#holds === 1;
  }

  hold(): void {
    this.#holds++;
  }

  release(): void {
    if (--this.#holds > 0) return;
    this.#freed(this);
    this.#pool.give(this.bytes);
  }
}
