/**
 * The queue of all frames that a connection sends, in order. Hot path: frames that are queued in one turn of the event loop, during a
 * write, or while more are waited for (coalescing.ts) are copied into one write, since a port-forward costs by the message. Large
 * frames may be lent and are then written from their own buffer.
 */
import type { Transport } from "../../net/transport.ts";
import { asError } from "../frames/errors.ts";
import {
  DEFAULT_WINDOW,
  Flag,
  FRAME_FLAGS,
  FRAME_HEADER,
  FrameType,
  MIN_MAX_FRAME_SIZE,
  writeFrameHeader,
} from "../frames/frame.ts";
import { WriteCoalescing } from "./coalescing.ts";
import type { BufferPool } from "../frames/pool.ts";

const NOTHING = new Uint8Array(0);

/** Bytes that are coalesced into one write. */
const BATCH = 128 * 1024;
/** Queued bytes above which DATA waits. */
const FULL = 256 * 1024;
/** Largest DATA payload to send in bytes, even if the peer accepts more. */
const LARGEST_FRAME = 64 * 1024;

/**
 * Bytes in one message where messages cost more than bytes: two of the largest frames, or a batch. A larger message would delay
 * the next one on slow links.
 */
const MESSAGE = 144 * 1024;

/** Queued bytes that only a peer that doesn't read can cause: DATA waits from FULL on, so the rest are acknowledgements. */
const UNREAD = 4 * 1024 * 1024;

/** A part of the queue: `bytes[start, end)`. */
export interface Piece {
  readonly bytes: Uint8Array;
  start: number;
  end: number;
  /** Called after it was written, or when it never will be. */
  sent(error?: Error): void;
}

/** A sender that has data and waits for its turn. */
export interface Waiting {
  /** Called when there may be room: sends one frame, then waits again if it has more. */
  resume(): void;
}

export class SendQueue {
  /** Bytes that the peer's connection window still admits (RFC 9113 §6.9). */
  window = DEFAULT_WINDOW;
  /** Largest payload of a frame, in bytes. */
  maxFrame = MIN_MAX_FRAME_SIZE;
  /** Bytes that streams hold back because they can't be sent; counted by those that do so. */
  readonly backlog = { bytes: 0 };
  /** Number of calls of the transport's write. */
  writes = 0;

  readonly #transport: Transport;
  readonly #pool: BufferPool;
  readonly #broken: (error: Error) => void;
  readonly #coalescing = new WriteCoalescing();
  #pieces: Piece[] = [];
  /** The pieces that are being written. */
  readonly #writing: Piece[] = [];
  #batch: Uint8Array<ArrayBuffer> | undefined;
  #fill = 0;
  /** The stream whose DATA frame is the last in the batch, and where it begins there; 0 where the last frame is another. */
  #lastData = 0;
  #lastDataAt = 0;
  #queued = 0;
  #running = false;
  #error: Error | undefined;
  readonly #waiting = new Set<Waiting>();
  /** Bytes that were written. */
  #gone = 0;
  #idle: { after: number; resolve: () => void }[] = [];

  constructor(transport: Transport, pool: BufferPool, broken: (error: Error) => void) {
    this.#transport = transport;
    this.#pool = pool;
    this.#broken = broken;
  }

  /** Takes over the peer's SETTINGS_MAX_FRAME_SIZE, in bytes. */
  setMaxFrame(bytes: number): void {
    this.maxFrame = Math.min(bytes, LARGEST_FRAME);
  }

  /** Bytes of data that one stream may send now; 0 when it has to wait. */
  get room(): number {
    if (this.#queued >= FULL || this.#error !== undefined) return 0;
    return Math.min(this.window, this.maxFrame);
  }

  /** Queues a frame that flow control doesn't count. Its payload is copied. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    if (this.#error !== undefined) return;
    if (this.#queued > UNREAD) {
      return this.#giveUp(new Error("the peer doesn't read the acknowledgements that it causes"));
    }
    const at = this.#reserve(FRAME_HEADER + payload.length, type === FrameType.HEADERS);
    const batch = this.#batch as Uint8Array;
    writeFrameHeader(batch, at, payload.length, type, flags, stream);
    batch.set(payload, at + FRAME_HEADER);
  }

  /** Queues bytes that aren't a frame: the client's preface. */
  raw(bytes: Uint8Array): void {
    if (this.#error !== undefined) return;
    const at = this.#reserve(bytes.length, false);
    (this.#batch as Uint8Array).set(bytes, at);
  }

  /** Queues a copy of DATA. The caller has checked `room`. */
  data(stream: number, flags: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#error !== undefined) return;
    const length = end - start;
    this.window -= length;
    const at = this.#reserve(FRAME_HEADER + length, true);
    const batch = this.#batch as Uint8Array;
    writeFrameHeader(batch, at, length, FrameType.DATA, flags, stream);
    batch.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at + FRAME_HEADER);
    this.#lastData = stream;
    this.#lastDataAt = at;
  }

  /**
   * Queues a copy of a message as DATA: in the stream's last frame, if that still lies in the batch with no frame behind it, else in
   * a frame of its own. The caller has checked `room`.
   */
  message(stream: number, head: Uint8Array, headLength: number, body: Uint8Array): void {
    if (this.#error !== undefined) return;
    const length = headLength + body.length;
    this.window -= length;
    let at = this.#extend(stream, length);
    if (at === undefined) {
      const frame = this.#reserve(FRAME_HEADER + length, true);
      writeFrameHeader(this.#batch as Uint8Array, frame, length, FrameType.DATA, 0, stream);
      this.#lastData = stream;
      this.#lastDataAt = frame;
      at = frame + FRAME_HEADER;
    }
    const batch = this.#batch as Uint8Array;
    for (let i = 0; i < headLength; i++) batch[at + i] = head[i] as number;
    batch.set(body, at + headLength);
  }

  /** Makes the last frame longer, if it is the stream's DATA and has room. Returns where the new bytes begin. */
  #extend(stream: number, bytes: number): number | undefined {
    const batch = this.#batch;
    if (batch === undefined || this.#lastData !== stream || this.#fill + bytes > batch.length) {
      return undefined;
    }
    const at = this.#fill;
    const payload = at + bytes - this.#lastDataAt - FRAME_HEADER;
    if (payload > this.maxFrame) return undefined;
    writeFrameHeader(batch, this.#lastDataAt, payload, FrameType.DATA, 0, stream);
    this.#fill += bytes;
    this.#queued += bytes;
    this.#coalescing.other(bytes);
    return at;
  }

  /** Sends END_STREAM: with the stream's last DATA, if no frame was queued behind it and it isn't being written, else by an empty one. */
  endStream(stream: number): void {
    if (this.#batch !== undefined && this.#lastData === stream) {
      this.#batch[this.#lastDataAt + FRAME_FLAGS] = Flag.END_STREAM;
    } else this.frame(FrameType.DATA, Flag.END_STREAM, stream, NOTHING);
  }

  /**
   * Queues DATA without a copy, until `piece.sent()` is called: its payload is `piece.bytes[start + 9, end)`, and the nine
   * bytes before it become its header. The caller has checked `room`.
   */
  lend(stream: number, flags: number, piece: Piece): void {
    const length = piece.end - piece.start - FRAME_HEADER;
    if (this.#error !== undefined) return piece.sent(this.#error);
    this.window -= length;
    writeFrameHeader(piece.bytes, piece.start, length, FrameType.DATA, flags, stream);
    this.#seal();
    this.#pieces.push(piece);
    this.#queued += FRAME_HEADER + length;
    this.#coalescing.frame(FRAME_HEADER + length);
    this.#schedule();
  }

  /** Adds a sender to the waiters. It is resumed when the queue and the connection's window have room. */
  wait(sender: Waiting): void {
    this.#waiting.add(sender);
  }

  /** Removes a sender from the waiters. */
  leave(sender: Waiting): void {
    this.#waiting.delete(sender);
  }

  /** The peer's connection window grew by so many bytes. */
  windowGrew(bytes: number): void {
    this.window += bytes;
    this.#resumeWaiting();
  }

  /** Resolves when everything queued so far was written, or the queue failed. Never rejects. */
  idle(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push({ after: this.#gone + this.#queued, resolve }));
  }

  /** Fails the queue: nothing more is written. */
  fail(error: Error): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.#seal();
    const pieces = this.#pieces;
    this.#pieces = [];
    for (const piece of pieces) piece.sent(error);
    this.#waiting.clear();
  }

  #giveUp(error: Error): void {
    this.fail(error);
    queueMicrotask(() => this.#broken(error));
  }

  /** Reserves room in the batch for a stream's frame, or for one of the connection. */
  #reserve(bytes: number, ofStream: boolean): number {
    if (this.#batch === undefined || this.#fill + bytes > this.#batch.length) {
      this.#seal();
      this.#batch = this.#pool.take(Math.max(BATCH, bytes));
      this.#fill = 0;
    }
    const at = this.#fill;
    this.#lastData = 0;
    this.#fill += bytes;
    this.#queued += bytes;
    if (ofStream) this.#coalescing.frame(bytes);
    else this.#coalescing.other(bytes);
    this.#schedule();
    return at;
  }

  #seal(): void {
    const bytes = this.#batch;
    if (bytes === undefined) return;
    this.#batch = undefined;
    this.#lastData = 0;
    const pool = this.#pool;
    this.#pieces.push({ bytes, start: 0, end: this.#fill, sent: () => pool.give(bytes) });
  }

  #schedule(): void {
    if (this.#running) return;
    this.#running = true;
    this.#run();
  }

  async #run(): Promise<void> {
    const writing = this.#writing;
    try {
      while (this.#queued > 0) {
        await this.#coalescing.ready(this.#queued);
        if (!this.#takeNext()) break;
        if (this.#transport.writeParts === undefined) await this.#write(writing[0] as Piece);
        else await this.#writeParts(writing);
        for (let piece = writing.shift(); piece !== undefined; piece = writing.shift()) {
          this.#queued -= piece.end - piece.start;
          this.#gone += piece.end - piece.start;
          piece.sent();
        }
        while (this.#idle.length > 0 && this.#gone >= (this.#idle[0]?.after ?? 0)) {
          this.#idle.shift()?.resolve();
        }
        this.#resumeWaiting();
      }
    } catch (thrown) {
      const error = asError(thrown);
      for (const piece of writing.splice(0)) piece.sent(error);
      this.fail(error);
      this.#broken(error);
    }
    this.#running = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const { resolve } of idle) resolve();
  }

  /** Takes the pieces to write next: one, or as many as fit into a message. Returns false if there are none. */
  #takeNext(): boolean {
    const most = this.#transport.writeParts === undefined ? 0 : MESSAGE;
    let bytes = 0;
    for (;;) {
      // The batch being assembled comes last.
      if (this.#pieces.length === 0 && (bytes === 0 || bytes + this.#fill <= most)) this.#seal();
      const next = this.#pieces[0];
      if (next === undefined) break;
      bytes += next.end - next.start;
      if (this.#writing.length > 0 && bytes > most) break;
      this.#writing.push(next);
      this.#pieces.shift();
    }
    return this.#writing.length > 0;
  }

  async #writeParts(pieces: readonly Piece[]): Promise<void> {
    this.writes++;
    await this.#transport.writeParts?.(pieces.map(({ bytes, start, end }) => bytes.subarray(start, end)));
  }

  async #write({ bytes, start, end }: Piece): Promise<void> {
    for (let at = start; at < end;) {
      this.writes++;
      at += await this.#transport.write(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    }
  }

  #resumeWaiting(): void {
    // Hot path: this runs after each write, and mostly there is no waiter.
    if (this.#waiting.size === 0) return;
    // A sender that waits again meanwhile is at the end, and its turn comes too.
    for (const sender of this.#waiting) {
      if (this.room <= 0) return;
      this.#waiting.delete(sender);
      sender.resume();
    }
  }
}
