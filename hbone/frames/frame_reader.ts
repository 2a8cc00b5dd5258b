/**
 * From bytes to frames. Hot path: DATA is passed on in the parts it comes in, straight from the read buffer; only other
 * frames are waited for as a whole. Streams hold the buffer (a Segment) until they have passed their part on, and reading
 * goes on behind, or in another one.
 */
import type { Transport } from "../../net/transport.ts";
import { ConnectionError, ErrorCode } from "./errors.ts";
import { Flag, FRAME_HEADER, FrameType, readUint24, readUint31 } from "./frame.ts";
import { type BufferPool, LARGEST, Segment } from "./pool.ts";

/** Bytes of a read buffer while little comes. */
const QUIET = 16 * 1024;
/** Bytes that a read should have room for. */
const ROOM = 8 * 1024;
/** Bytes that slow streams may keep from being used again, beside what they hold themselves; beyond it, that is copied. */
const PINNED = 4 * 1024 * 1024;

export interface FrameSink {
  /** Bytes that streams hold. */
  readonly held: number;
  /** A frame, whole, but for DATA without padding; the payload is valid during the call. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void;
  /**
   * A part of DATA: `segment.bytes[start, end)`; `padding` bytes (counted by flow control) come with it. `copy` asks not to
   * hold the segment.
   */
  data(
    stream: number,
    flags: number,
    segment: Segment,
    start: number,
    end: number,
    padding: number,
    first: boolean,
    last: boolean,
    copy: boolean,
  ): void;
  /** All that came in one read was passed on. */
  turn(): void;
  /** Streams hold too much: they should copy what waits. */
  compact(): void;
}

export class FrameReader {
  /** From now on everything is thrown away: the connection is over. */
  discarding = false;
  /** Reads that brought something. */
  reads = 0;

  readonly #transport: Transport;
  readonly #pool: BufferPool;
  readonly #sink: FrameSink;
  readonly #maxFrame: number;
  readonly #preface: Uint8Array;
  #segment: Segment;
  /** `segment.bytes[at, have)` came and wasn't parsed yet. */
  #at = 0;
  #have = 0;
  /** Of the lane that isn't read now (lanes.ts): the same. */
  #aside: { readonly segment: Segment; readonly at: number; readonly have: number } | undefined;
  #prefaceLeft: number;
  /** The DATA frame (or one of no known type, to skip) whose payload is coming. */
  #partial: { stream: number; flags: number; left: number; first: boolean; skip: boolean } | undefined;
  #pinned = 0;
  readonly #unpin = (segment: Segment) => {
    this.#pinned -= segment.bytes.length;
  };

  /**
   * @param maxFrame the SETTINGS_MAX_FRAME_SIZE that this end announced, in bytes
   * @param preface what has to come before the first frame
   */
  constructor(
    transport: Transport,
    pool: BufferPool,
    sink: FrameSink,
    maxFrame: number,
    preface: Uint8Array,
  ) {
    this.#transport = transport;
    this.#pool = pool;
    this.#sink = sink;
    this.#maxFrame = maxFrame;
    this.#preface = preface;
    this.#prefaceLeft = preface.length;
    this.#segment = this.#newSegment(QUIET);
  }

  /**
   * Reads until the transport's end; `violated` is called with what a frame's receiver threw, and the rest is discarded.
   * @throws when the transport broke.
   */
  async run(violated: (error: unknown) => void): Promise<void> {
    try {
      let busy = false;
      for (;;) {
        this.#makeRoom(busy);
        const { bytes } = this.#segment;
        const room = bytes.length - this.#have;
        const length = await this.#transport.read(bytes.subarray(this.#have));
        if (length === null) return;
        this.reads++;
        busy = length === room || length >= QUIET;
        if (this.discarding) continue;
        this.#have += length;
        try {
          this.#parse();
          this.#sink.turn();
        } catch (error) {
          this.discarding = true;
          violated(error);
        }
        // Streams may hold what lies before.
        if (this.discarding) this.#at = this.#have;
      }
    } finally {
      this.#segment.release();
      this.#aside?.segment.release();
    }
  }

  #newSegment(size: number): Segment {
    const segment = new Segment(this.#pool, size, this.#unpin);
    this.#pinned += segment.bytes.length;
    return segment;
  }

  /** Makes room for the next read: at the buffer's start if nobody holds it, behind what came, or in another buffer. */
  #makeRoom(busy: boolean): void {
    const segment = this.#segment;
    const left = this.#have - this.#at;
    const size = busy ? LARGEST : QUIET;
    if (segment.alone && left === 0 && segment.bytes.length === size) {
      this.#at = this.#have = 0;
      return;
    }
    // The frame that has begun has to fit in one buffer.
    const need = left + this.#missing();
    const room = segment.bytes.length - this.#have;
    const suits = !(segment.alone && left === 0);
    if (suits && room >= ROOM && segment.bytes.length - this.#at >= need) return;
    const next = this.#newSegment(Math.max(size, need + ROOM));
    next.bytes.set(segment.bytes.subarray(this.#at, this.#have));
    this.#segment = next;
    this.#at = 0;
    this.#have = left;
    segment.release();
    if (this.#wasteful) this.#sink.compact();
  }

  /** Bytes that have to come before the frame at `at` can be parsed. */
  #missing(): number {
    const left = this.#have - this.#at;
    if (this.#partial !== undefined) return 1;
    if (this.#prefaceLeft > 0 || left < FRAME_HEADER) return FRAME_HEADER - Math.min(left, FRAME_HEADER - 1);
    const { bytes } = this.#segment;
    // Not parsed with its header there: it is one of those that have to be whole.
    return Math.max(1, FRAME_HEADER + readUint24(bytes, this.#at) - left);
  }

  #parse(): void {
    if (this.#prefaceLeft > 0 && !this.#parsePreface()) return;
    let { bytes } = this.#segment;
    while (!this.discarding) {
      if (this.#partial !== undefined) {
        if (this.#at === this.#have || !this.#parsePart()) return;
        continue;
      }
      if (this.#have - this.#at < FRAME_HEADER) return;
      const length = readUint24(bytes, this.#at);
      const type = bytes[this.#at + 3] as number;
      const flags = bytes[this.#at + 4] as number;
      const stream = readUint31(bytes, this.#at + 5);
      if (length > this.#maxFrame) {
        throw new ConnectionError(
          ErrorCode.FRAME_SIZE_ERROR,
          `a frame of ${length} bytes of at most ${this.#maxFrame}`,
        );
      }
      const skip = type > FrameType.CONTINUATION;
      if (skip || (type === FrameType.DATA && (flags & Flag.PADDED) === 0)) {
        this.#at += FRAME_HEADER;
        if (skip) this.#sink.frame(type, flags, stream, bytes.subarray(0, 0));
        if (type === FrameType.LANE && this.#transport.peerTurned) {
          if (length > 0) throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a turn with a payload");
          this.#transport.peerTurned();
          bytes = this.#turn().bytes;
          continue;
        }
        this.#partial = { stream, flags, left: length, first: true, skip };
        if (length === 0) this.#parsePart();
        continue;
      }
      const end = this.#at + FRAME_HEADER + length;
      if (end > this.#have) return;
      const start = this.#at + FRAME_HEADER;
      this.#at = end;
      if (type === FrameType.DATA) this.#padded(stream, flags, start, end);
      else this.#sink.frame(type, flags, stream, bytes.subarray(start, end));
    }
  }

  /**
   * The peer has gone on to its other lane (lanes.ts). What came behind that word is from when it was back, and has to wait: where this
   * lane lags behind, all of that may come in one read.
   * @returns the segment that holds what is next
   */
  #turn(): Segment {
    const aside = this.#aside;
    const rest = this.#at < this.#have;
    this.#aside = rest ? { segment: this.#segment, at: this.#at, have: this.#have } : undefined;
    if (aside !== undefined) {
      if (!rest) this.#segment.release();
      ({ segment: this.#segment, at: this.#at, have: this.#have } = aside);
    } else if (rest) {
      this.#segment = this.#newSegment(QUIET);
      this.#at = this.#have = 0;
    }
    return this.#segment;
  }

  #parsePreface(): boolean {
    const { bytes } = this.#segment;
    while (this.#prefaceLeft > 0 && this.#at < this.#have) {
      if (bytes[this.#at++] !== this.#preface[this.#preface.length - this.#prefaceLeft--]) {
        throw new ConnectionError(
          ErrorCode.PROTOCOL_ERROR,
          "the peer doesn't speak HTTP/2: no connection preface",
        );
      }
    }
    return this.#prefaceLeft === 0;
  }

  /** Passes on what there is of the frame that is coming; true when that was all of it. */
  #parsePart(): boolean {
    const partial = this.#partial;
    if (partial === undefined) return true;
    const start = this.#at;
    const end = start + Math.min(partial.left, this.#have - start);
    const first = partial.first;
    this.#at = end;
    partial.left -= end - start;
    partial.first = false;
    const last = partial.left === 0;
    if (last) this.#partial = undefined;
    if (!partial.skip) this.#pass(partial.stream, partial.flags, start, end, 0, first, last);
    return last;
  }

  /** RFC 9113 §6.1. */
  #padded(stream: number, flags: number, start: number, end: number): void {
    const padding = end > start ? this.#segment.bytes[start] as number : end - start;
    if (padding >= end - start) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "padding as long as the frame");
    }
    this.#pass(stream, flags, start + 1, end - padding, padding + 1, true, true);
  }

  #pass(
    stream: number,
    flags: number,
    start: number,
    end: number,
    padding: number,
    first: boolean,
    last: boolean,
  ) {
    this.#sink.data(stream, flags, this.#segment, start, end, padding, first, last, this.#wasteful);
  }

  /** Streams that hold little keep much. (Where they hold much themselves, copying it would free nothing.) */
  get #wasteful(): boolean {
    return this.#pinned > PINNED + this.#sink.held;
  }
}
