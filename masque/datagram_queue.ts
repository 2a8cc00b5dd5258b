/**
 * Capsules that wait until a stream may send again, one behind another. It has a buffer while something waits, and none otherwise:
 * most flows never wait.
 */

/** Bytes that wait in one flow at most: a burst of a hundred datagrams of 1,200 bytes, and the largest datagram. */
export const QUEUE_BYTES = 128 * 1024;
/** The first buffer's bytes; it doubles as it fills. */
const SMALLEST = 4 * 1024;

/** Bytes of the buffers of all flows of a connection, so that no tunnel that hangs costs more. */
const BACKLOG_BYTES = 8 * 1024 * 1024;

/** What the streams of one connection hold back together. */
export interface Backlog {
  bytes: number;
}

export class DatagramQueue {
  readonly #backlog: Backlog;
  #bytes: Uint8Array<ArrayBuffer> | undefined;
  /** What waits is `#bytes[#start, #end)`. */
  #start = 0;
  #end = 0;

  constructor(backlog: Backlog) {
    this.#backlog = backlog;
  }

  get isEmpty(): boolean {
    return this.#bytes === undefined;
  }

  /** Adds a copy of a capsule, `head[0, headLength)` and `payload`. Returns false, and adds nothing, when there is no room. */
  add(head: Uint8Array, headLength: number, payload: Uint8Array): boolean {
    const length = headLength + payload.length;
    if (this.#end - this.#start + length > QUEUE_BYTES) return false;
    const bytes = this.#roomFor(length);
    if (bytes === undefined) return false;
    bytes.set(head.subarray(0, headLength), this.#end);
    bytes.set(payload, this.#end + headLength);
    this.#end += length;
    return true;
  }

  /** Hands bytes to a stream until all are taken, or it takes none. */
  drainTo(stream: { take(bytes: Uint8Array, start: number, end: number): number }): void {
    while (this.#bytes !== undefined) {
      const taken = stream.take(this.#bytes, this.#start, this.#end);
      if (taken === 0) return;
      this.#start += taken;
      if (this.#start === this.#end) this.clear();
    }
  }

  clear(): void {
    this.#backlog.bytes -= this.#bytes?.length ?? 0;
    this.#bytes = undefined;
    this.#start = 0;
    this.#end = 0;
  }

  /** The buffer, with so many free bytes behind what waits; undefined when all flows together have too much. */
  #roomFor(length: number): Uint8Array<ArrayBuffer> | undefined {
    const before = this.#bytes;
    if (before !== undefined && this.#end + length <= before.length) return before;
    const waiting = this.#end - this.#start;
    let size = before?.length ?? SMALLEST;
    while (size < waiting + length) size *= 2;
    const more = size - (before?.length ?? 0);
    if (this.#backlog.bytes + more > BACKLOG_BYTES) return undefined;
    this.#backlog.bytes += more;
    const bytes = more === 0 && before !== undefined ? before : new Uint8Array(size);
    if (before !== undefined) bytes.set(before.subarray(this.#start, this.#end));
    this.#bytes = bytes;
    this.#start = 0;
    this.#end = waiting;
    return bytes;
  }
}
