/**
 * A pool of read buffers in size classes, each with a free list. A fresh buffer of 256 KiB for each connection and
 * direction would cost a third of the rate of new connections; a large one for each quiet connection would cost memory.
 */

/** Bytes of a buffer that has room for a frame of 64 KiB with its header. */
export const ONE_FRAME = 64 * 1024 + 16;
const CLASSES = [4 * 1024, 16 * 1024, ONE_FRAME, 128 * 1024, 256 * 1024] as const;
/** Largest size of one class's free list, in bytes: of a connection's own pool, and of one that many share. */
const KEEP = 4 * 1024 * 1024;
const KEEP_SHARED = 16 * 1024 * 1024;

/** The smallest buffer of a pool in bytes, which is what a pending read of a quiet connection pins. */
export const SMALLEST: number = CLASSES[0];
export const LARGEST = 256 * 1024;

export class BufferPool {
  /** Received and unread bytes of all connections that share the pool. */
  buffered = 0;
  /** With more than so many, connections that hold much of it are held back. */
  readonly most: number;
  readonly #free: Uint8Array<ArrayBuffer>[][] = CLASSES.map(() => []);

  readonly #keep: number;

  /** @param most of a pool that many connections share, the bytes that they may leave unread */
  constructor(most?: number) {
    this.most = most ?? Infinity;
    this.#keep = most === undefined ? KEEP : KEEP_SHARED;
  }

  /** Returns a buffer of at least `size` bytes: its class's size, or exactly `size` above the largest class. Its content is undefined. */
  take(size: number): Uint8Array<ArrayBuffer> {
    for (let i = 0; i < CLASSES.length; i++) {
      const bytes = CLASSES[i] as number;
      if (bytes >= size) return this.#free[i]?.pop() ?? new Uint8Array(bytes);
    }
    return new Uint8Array(size);
  }

  /** Takes back a buffer that `take` returned. The caller must not use it any more. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    for (let i = 0; i < CLASSES.length; i++) {
      if (CLASSES[i] !== buffer.length) continue;
      const free = this.#free[i];
      if (free !== undefined && free.length * buffer.length < this.#keep) free.push(buffer);
      return;
    }
  }
}

/**
 * A reference-counted read buffer: several streams hold parts of it until each has consumed its own. It returns to the pool
 * with the last release.
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

  /** Whether no stream holds a part of it. */
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
