/**
 * The receiving half of a stream: unread bytes, and the reader that waits for them.
 *
 * Hot path. Bytes stay in the connection's read buffer (a Segment) until they are consumed; one small object for each frame.
 * Callers use either `read`, or `peek`, `advance` and `watch` as a relay does (no promise for each frame).
 */
import type { StreamWindow } from "./flow_control.ts";
import type { Segment } from "../frames/pool.ts";
import type { Outbox } from "../sending/outbox.ts";

/** Frames up to this many bytes are copied together while others wait: a chunk object for each would cost some hundred bytes. */
const SMALL = 512;
const TOGETHER = 4 * 1024;

interface Chunk {
  bytes: Uint8Array;
  /** Undefined when the bytes are a copy. */
  segment: Segment | undefined;
  start: number;
  end: number;
  next: Chunk | undefined;
}

interface Reader {
  into: Uint8Array;
  resolve(bytes: number | null): void;
  reject(error: Error): void;
}

export interface InboxOwner {
  /** `bytes` were consumed; `increment` is to be announced for the stream, unless it is 0. */
  taken(bytes: number, increment: number): void;
}

export class Inbox {
  readonly window: StreamWindow;
  /** Unread bytes. */
  buffered = 0;
  /** Bytes that were taken so far. */
  received = 0;
  readonly #owner: InboxOwner;
  #head: Chunk | undefined;
  #tail: Chunk | undefined;
  #reader: Reader | undefined;
  #watcher: (() => void) | undefined;
  #ended = false;
  #error: Error | undefined;
  /** The first chunk is being written somewhere, so it can't be moved or released. */
  #lent = false;

  constructor(window: StreamWindow, owner: InboxOwner) {
    this.window = window;
    this.#owner = owner;
  }

  /** Whether the peer's END_STREAM arrived. */
  get ended(): boolean {
    return this.#ended;
  }

  get error(): Error | undefined {
    return this.#error;
  }

  /** Adds received bytes, `segment.bytes[start, end)`. With `copy` they are copied and the segment isn't held. */
  deliver(segment: Segment, start: number, end: number, copy: boolean): void {
    this.buffered += end - start;
    if (this.#error !== undefined) return this.#leave(end - start);
    const reader = this.#reader;
    if (reader !== undefined) {
      this.#reader = undefined;
      const length = Math.min(reader.into.length, end - start);
      reader.into.set(segment.bytes.subarray(start, start + length));
      start += length;
      this.#take(length);
      reader.resolve(length);
      if (start === end) return;
    }
    const size = end - start;
    const tail = this.#tail;
    if (tail !== undefined && size <= SMALL) {
      if (tail.segment === undefined && tail.end + size <= tail.bytes.length) {
        tail.bytes.set(segment.bytes.subarray(start, end), tail.end);
        tail.end += size;
      } else {
        const bytes = new Uint8Array(TOGETHER);
        bytes.set(segment.bytes.subarray(start, end));
        this.#tail = tail.next = { bytes, segment: undefined, start: 0, end: size, next: undefined };
      }
      this.#watcher?.();
      return;
    }
    const chunk: Chunk = copy
      ? {
        bytes: segment.bytes.slice(start, end),
        segment: undefined,
        start: 0,
        end: end - start,
        next: undefined,
      }
      : { bytes: segment.bytes, segment, start, end, next: undefined };
    if (!copy) segment.hold();
    if (this.#tail === undefined) this.#head = chunk;
    else this.#tail.next = chunk;
    this.#tail = chunk;
    this.#watcher?.();
  }

  /** The peer ended its direction. */
  end(): void {
    if (this.#error !== undefined) return;
    this.#ended = true;
    if (this.#head === undefined) {
      this.#reader?.resolve(null);
      this.#reader = undefined;
    }
    this.#watcher?.();
  }

  /** The stream broke. Unread bytes are dropped, so that a break is never taken for an end. */
  fail(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#drop();
    this.#reader?.reject(error);
    this.#reader = undefined;
    this.#watcher?.();
  }

  /** Reads as Transport does; one read at a time. */
  read(into: Uint8Array): Promise<number | null> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#reader !== undefined) {
      return Promise.reject(new TypeError("this stream is already being read"));
    }
    const head = this.#head;
    if (head !== undefined) {
      const length = Math.min(into.length, head.end - head.start);
      into.set(head.bytes.subarray(head.start, head.start + length));
      this.advance(length);
      return Promise.resolve(length);
    }
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve, reject) => this.#reader = { into, resolve, reject });
  }

  /** Returns the next bytes, or undefined if there are none now or ever. They stay valid until `advance`. */
  peek(): Uint8Array | undefined {
    const head = this.#head;
    if (head === undefined) return undefined;
    this.#lent = true;
    return head.bytes.subarray(head.start, head.end);
  }

  /** Consumes so many of the bytes that `peek` returned. */
  advance(bytes: number): void {
    this.#lent = false;
    const head = this.#head;
    if (head === undefined) return;
    if (this.#error !== undefined) return this.#drop();
    head.start += bytes;
    if (head.start >= head.end) {
      head.segment?.release();
      this.#head = head.next;
      if (this.#head === undefined) this.#tail = undefined;
    }
    this.#take(bytes);
  }

  /** Copies unread bytes to another stream, as many as it takes now. */
  passTo(outbox: Outbox): void {
    for (let head = this.#head; head !== undefined && this.#error === undefined; head = this.#head) {
      const taken = outbox.take(head.bytes, head.start, head.end);
      if (taken === 0) return;
      this.advance(taken);
    }
  }

  /** Calls `watcher` whenever bytes, the end or an error arrived. */
  watch(watcher: (() => void) | undefined): void {
    this.#watcher = watcher;
  }

  /** Copies unread bytes out of shared buffers, so that a slow reader doesn't pin them. */
  compact(): void {
    for (let chunk = this.#lent ? this.#head?.next : this.#head; chunk !== undefined; chunk = chunk.next) {
      if (chunk.segment === undefined) continue;
      chunk.bytes = chunk.bytes.slice(chunk.start, chunk.end);
      chunk.end -= chunk.start;
      chunk.start = 0;
      chunk.segment.release();
      chunk.segment = undefined;
    }
  }

  #take(bytes: number): void {
    this.buffered -= bytes;
    this.received += bytes;
    this.#owner.taken(bytes, this.#ended ? 0 : this.window.take(bytes));
  }

  #drop(): void {
    let dropped = 0;
    let chunk = this.#head;
    // A chunk that is being written is released after that, in `advance`.
    const kept = this.#lent ? chunk : undefined;
    if (kept !== undefined) chunk = kept.next;
    for (; chunk !== undefined; chunk = chunk.next) {
      chunk.segment?.release();
      dropped += chunk.end - chunk.start;
    }
    this.#head = kept;
    this.#tail = kept;
    if (kept !== undefined) kept.next = undefined;
    if (dropped > 0) this.#leave(dropped);
  }

  /** Releases bytes that will never be read. */
  #leave(bytes: number): void {
    this.buffered -= bytes;
    this.#owner.taken(bytes, 0);
  }
}
