/**
 * Parses bytes into frames. Hot path: DATA is passed on in the parts it arrives in, straight from the read buffer; only
 * other frames are collected until they are whole. Streams hold the buffer (a Segment) until their part was consumed;
 * meanwhile reading continues behind that part, or in another buffer.
 */
import type { Transport } from "../../net/transport.ts";
import { ConnectionError, ErrorCode } from "./errors.ts";
import { Flag, FRAME_HEADER, FrameType, readUint24, readUint31 } from "./frame.ts";
import { type BufferPool, LARGEST, Segment } from "./pool.ts";

/** Size of the read buffer on a quiet connection, in bytes. */
const QUIET = 16 * 1024;
/** Bytes that a read should have room for. */
const ROOM = 8 * 1024;
/** Bytes of read buffers that slow streams may pin beyond what they hold themselves. Above it their bytes are copied out. */
const PINNED = 4 * 1024 * 1024;

export interface FrameSink {
  /** Unread bytes that streams hold. */
  readonly held: number;
  /** A whole frame of any type but DATA without padding. The payload is valid during the call only. */
  frame(type: number, flags: number, stream: number, payload: Uint8Array): void;
  /**
   * A part of a DATA frame: `segment.bytes[start, end)`, and `padding` bytes that count for flow control. With `copy` the
   * sink must copy the bytes and must not hold the segment.
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
  /** All frames of one read were passed on. */
  turn(): void;
  /** Streams pin too many buffers: they should copy their unread bytes. */
  compact(): void;
}

export class FrameReader {
  /** The connection has ended: all further bytes are discarded. */
  discarding = false;
  /** Number of reads that returned bytes. */
  reads = 0;

  readonly #transport: Transport;
  readonly #pool: BufferPool;
  readonly #sink: FrameSink;
  readonly #maxFrame: number;
  readonly #preface: Uint8Array;
  #segment: Segment;
  /** `segment.bytes[at, have)` was read and isn't parsed yet. */
  #at = 0;
  #have = 0;
  /** The same for the lane that isn't read now (lanes.ts). */
  #aside: { readonly segment: Segment; readonly at: number; readonly have: number } | undefined;
  #prefaceLeft: number;
  /** The DATA frame whose payload is arriving, or a frame of an unknown type that is skipped. */
  #partial: { stream: number; flags: number; left: number; first: boolean; skip: boolean } | undefined;
  #pinned = 0;
  readonly #unpin = (segment: Segment) => {
    this.#pinned -= segment.bytes.length;
  };

  /**
   * @param maxFrame the SETTINGS_MAX_FRAME_SIZE that this end announced, in bytes
   * @param preface the bytes that must come before the first frame
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
   * Reads until the transport ends. When a frame's receiver throws, `violated` gets the error and the rest is discarded.
   * @throws when the transport breaks.
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

  /** Makes room for the next read: at the start of the buffer if no stream holds it, behind the unparsed bytes, or in another buffer. */
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

  /** Bytes that are missing until the frame at `at` can be parsed. */
  #missing(): number {
    const left = this.#have - this.#at;
    if (this.#partial !== undefined) return 1;
    if (this.#prefaceLeft > 0 || left < FRAME_HEADER) return FRAME_HEADER - Math.min(left, FRAME_HEADER - 1);
    const { bytes } = this.#segment;
    // Its header is there and it wasn't parsed: it is a frame that must be whole.
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
          if (length > 0) {
            throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "a lane switch with a payload");
          }
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
   * The peer continues on its other lane (lanes.ts). Bytes behind this frame were sent after the peer came back to this lane, so
   * they are set aside until then; a lane that lags behind may bring all of that in one read.
   * @returns the segment that holds the next bytes to parse
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

  /** Passes on the bytes that arrived of the current frame; returns true when the frame is complete. */
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

  /** Asks streams to copy when they pin much more than they hold. (Copying frees nothing where they hold much themselves.) */
  get #wasteful(): boolean {
    return this.#pinned > PINNED + this.#sink.held;
  }
}
