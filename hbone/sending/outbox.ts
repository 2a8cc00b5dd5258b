/**
 * The sending half of a stream: its flow-control window, and the bytes that wait for it.
 *
 * Hot path. Callers use either `write`, or `take`, `takeMessage`, `lend` and `watch` as a relay does (no promise for each frame).
 */
import { FRAME_HEADER, MAX_WINDOW } from "../frames/frame.ts";
import type { Piece, SendQueue, Waiting } from "./send_queue.ts";

interface Job {
  bytes: Uint8Array;
  /** Bytes sent so far. */
  at: number;
  /** Settles when all bytes were taken. */
  whole: boolean;
  resolve(bytes: number): void;
  reject(error: Error): void;
}

export class Outbox implements Waiting {
  readonly #queue: SendQueue;
  readonly #stream: number;
  /** Called once, after END_STREAM was queued. */
  readonly #ended: () => void;
  #window: number;
  /** Bytes that went to the queue so far. */
  sent = 0;
  #jobs: Job[] = [];
  #watcher: (() => void) | undefined;
  /** Whether it waits in the send queue. */
  #waiting = false;
  #state: "open" | "ending" | "ended" = "open";
  #endWaiters: { resolve(): void; reject(error: Error): void }[] = [];
  #error: Error | undefined;

  constructor(queue: SendQueue, stream: number, window: number, ended: () => void) {
    this.#queue = queue;
    this.#stream = stream;
    this.#window = window;
    this.#ended = ended;
  }

  get error(): Error | undefined {
    return this.#error;
  }

  /** END_STREAM was queued, or will be. */
  get ending(): boolean {
    return this.#state !== "open";
  }

  get ended(): boolean {
    return this.#state === "ended";
  }

  /** Whether no bytes wait for a window or for room. */
  get empty(): boolean {
    return this.#jobs.length === 0;
  }

  /** Adds to the window, which may become negative (RFC 9113 §6.9.2). Returns false if it would exceed the allowed maximum. */
  grow(bytes: number): boolean {
    this.#window += bytes;
    if (this.#window > MAX_WINDOW) return false;
    if (bytes > 0 && !this.#waiting) this.resume();
    return true;
  }

  /** Copies as many bytes as can be sent now, one frame at most. Returns 0 if it has to wait; then the watcher is called later. */
  take(bytes: Uint8Array, start: number, end: number): number {
    const length = Math.min(end - start, this.#room());
    if (length <= 0) return 0;
    this.#window -= length;
    this.sent += length;
    this.#queue.data(this.#stream, 0, bytes, start, start + length);
    return length;
  }

  /** Copies all of a message if it can be sent now as a part of one frame. Returns false, and has taken nothing, if it can't. */
  takeMessage(head: Uint8Array, headLength: number, body: Uint8Array): boolean {
    const length = headLength + body.length;
    if (length > this.#room()) return false;
    this.#window -= length;
    this.sent += length;
    this.#queue.message(this.#stream, head, headLength, body);
    return true;
  }

  /**
   * Lends `piece.bytes[start + 9, end)` and sets `piece.end` to the end of what is sent now, one frame at most. Returns false
   * if it has to wait; then the watcher is called later.
   */
  lend(piece: Piece): boolean {
    const length = Math.min(piece.end - piece.start - FRAME_HEADER, this.#room());
    if (length <= 0) return false;
    piece.end = piece.start + FRAME_HEADER + length;
    this.#window -= length;
    this.sent += length;
    this.#queue.lend(this.#stream, 0, piece);
    return true;
  }

  /** Calls `watcher` whenever there may be room again, or after an error. */
  watch(watcher: (() => void) | undefined): void {
    this.#watcher = watcher;
  }

  /** As Transport's. */
  write(bytes: Uint8Array): Promise<number> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#state !== "open") {
      return Promise.reject(new TypeError("this stream's sending side has ended"));
    }
    if (bytes.length === 0) return Promise.resolve(0);
    if (this.#jobs.length === 0) {
      const taken = this.take(bytes, 0, bytes.length);
      if (taken > 0) return Promise.resolve(taken);
    }
    return new Promise((resolve, reject) => this.#jobs.push({ bytes, at: 0, whole: false, resolve, reject }));
  }

  /** Sends all of `bytes`: as many as possible now, a copy of the rest as soon as possible. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const taken = this.take(bytes, at, bytes.length);
      if (taken === 0) break;
      at += taken;
    }
    if (at === bytes.length) return;
    this.#jobs.push({ bytes: bytes.slice(at), at: 0, whole: true, resolve() {}, reject() {} });
  }

  /** Sends END_STREAM after all waiting bytes. */
  end(): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#state === "ended") return Promise.resolve();
    this.#state = "ending";
    if (this.#jobs.length === 0) {
      this.#sendEnd();
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => this.#endWaiters.push({ resolve, reject }));
  }

  /** END_STREAM was sent with the headers. */
  endedWithHeaders(): void {
    this.#state = "ended";
    this.#ended();
  }

  /** The stream or the connection broke: all waiting writes fail. */
  fail(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    if (this.#waiting) this.#queue.leave(this);
    const jobs = this.#jobs;
    const waiters = this.#endWaiters;
    this.#jobs = [];
    this.#endWaiters = [];
    for (const job of jobs) job.reject(error);
    for (const waiter of waiters) waiter.reject(error);
    this.#watcher?.();
  }

  /** The queue or the window has room. */
  resume(): void {
    this.#waiting = false;
    if (this.#error !== undefined) return;
    const job = this.#jobs[0];
    if (job === undefined) {
      this.#watcher?.();
      return;
    }
    const taken = this.take(job.bytes, job.at, job.bytes.length);
    if (taken === 0) return;
    job.at += taken;
    if (!job.whole || job.at === job.bytes.length) {
      this.#jobs.shift();
      job.resolve(taken);
    }
    // The rest waits behind the other streams.
    if (this.#jobs.length > 0) this.#wait();
    else if (this.#state === "ending") this.#sendEnd();
    else this.#watcher?.();
  }

  #room(): number {
    if (this.#error !== undefined || this.#window <= 0) return 0;
    // The longest waiter is served first.
    const room = this.#waiting ? 0 : this.#queue.room;
    if (room > 0) return Math.min(room, this.#window);
    this.#wait();
    return 0;
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#queue.wait(this);
  }

  #sendEnd(): void {
    this.#state = "ended";
    this.#queue.endStream(this.#stream);
    const waiters = this.#endWaiters;
    this.#endWaiters = [];
    for (const waiter of waiters) waiter.resolve();
    this.#ended();
  }
}
