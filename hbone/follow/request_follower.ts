/**
 * Follows what a caller sends to a server over HTTP/2, and keeps streams from it that somebody else answers.
 *
 * Hot path: while nothing is withheld, each read is passed on as it came, in one piece but for a frame whose rest is awaited. Header
 * blocks are decoded, and nothing else costs more than a look at its frame's header.
 */
import { ConnectionError, ErrorCode } from "../frames/errors.ts";
import { Flag, FRAME_HEADER, FrameType, readUint24, readUint31 } from "../frames/frame.ts";
import type { Header } from "../frames/header.ts";
import { type HeaderBlock, HeaderBlocks } from "../frames/header_blocks.ts";
import { DEFAULT_LIMITS, type Limits } from "../frames/limits.ts";
import { decodeSettings } from "../frames/settings.ts";
import { Decoder, mergedSizes, type TableSizes } from "../hpack/decoder.ts";
import { Encoder } from "../hpack/encoder.ts";
import type { FollowedState } from "./followed_state.ts";
import { Half } from "./followed_streams.ts";
import { headerFrames, joined, ownFrame, sizeUpdates, windowUpdate } from "./own_frames.ts";

/** Bytes of the table that a caller may compress its headers with. */
export const LARGEST_TABLE = 64 * 1024;
/** Bytes and fields of a request's headers, decompressed; the bytes of the table before a caller sets another size. */
const [HEADER_LIST, HEADER_COUNT, TABLE] = [256 * 1024, 1_024, 4_096];
/** Streams that a server may have open. */
const MOST_SERVED = 10_000;
/** Settings that a server may leave without an acknowledgement. */
const MOST_ANNOUNCED = 100;
/** Bytes of a frame of a withheld stream that has padding, and of SETTINGS: they have to be whole to be read. */
const LARGEST_WHOLE = 64 * 1024;
const LIMITS: Limits = { ...DEFAULT_LIMITS, headerBlock: 64 * 1024 };
/** Bytes of a PING's payload. */
const PING = 8;
const NOTHING = new Uint8Array(0);
const NONE: ReadonlySet<string> = new Set();

/** What becomes of a connection's requests. */
export interface RequestHost {
  /**
   * Whether a new stream is kept from the server. Asked once for each.
   * @param size bytes of the headers, counted as RFC 9113 §6.5.2 does
   */
  withholds(stream: number, headers: readonly Header[], size: number): boolean;
  /** A stream is withheld; its headers follow. */
  opened(stream: number): void;
  /**
   * Frames of withheld streams. The bytes are good during the call only.
   * @param isWithinFrame whether the rest of a frame is to follow
   */
  toSide(bytes: Uint8Array, isWithinFrame: boolean): void;
  /** A whole frame for the caller. */
  toCaller(frame: Uint8Array): void;
  /** So many bytes of DATA were withheld, which the server won't give the caller its window back for. */
  took(bytes: number): void;
  /** The caller takes more bytes. */
  credited(): void;
}

export class RequestFollower {
  /** What the last call of `take` leaves for the server. Good until the bytes are overwritten that it was called with. */
  readonly parts: Uint8Array[] = [];
  readonly #state: FollowedState;
  readonly #host: RequestHost;
  readonly #decoder = new Decoder(
    LARGEST_TABLE,
    { headerList: HEADER_LIST, headerCount: HEADER_COUNT },
    TABLE,
  );
  /** Writes header blocks that change no table; there once something was withheld. */
  #encoder: Encoder | undefined;
  readonly #blocks = new HeaderBlocks(LIMITS);
  /** Table sizes that the server wasn't told of, since the blocks that set them were withheld. */
  #sizes: TableSizes | undefined;
  /** Bytes of the current frame that are still to come, and whether it is withheld. */
  #left = 0;
  #isWithheld = false;
  /** Where the bytes begin that are passed on as they are. */
  #from = 0;

  constructor(state: FollowedState, host: RequestHost) {
    this.#state = state;
    this.#host = host;
  }

  /**
   * Takes what the caller has sent, as far as it can be decided.
   * @returns how many bytes; the others have to come again, with more behind them
   * @throws ConnectionError for what can't be followed, if something was withheld before
   */
  take(bytes: Uint8Array): number {
    this.parts.length = 0;
    this.#from = 0;
    if (!this.#state.isBlind) {
      try {
        return this.#follow(bytes);
      } catch (error) {
        if (!(error instanceof ConnectionError) || this.#state.isMixed) throw error;
        // It's for the server to interpret, which has got all of it until now.
        this.#state.isBlind = true;
      }
    }
    this.parts.push(bytes);
    return bytes.length;
  }

  #follow(bytes: Uint8Array): number {
    let at = 0;
    for (;;) {
      if (this.#left > 0) {
        const length = Math.min(this.#left, bytes.length - at);
        if (length === 0) break;
        if (this.#isWithheld) {
          this.#host.toSide(bytes.subarray(at, at + length), length < this.#left);
          this.#from = at + length;
        }
        at += length;
        this.#left -= length;
        continue;
      }
      if (bytes.length - at < FRAME_HEADER) break;
      const type = bytes[at + 3] as number;
      if (type === FrameType.HEADERS) {
        const end = endOfBlock(bytes, at, this.#state.largestFrame);
        if (end < 0) break;
        this.#headers(bytes, at, end);
        at = end;
        continue;
      }
      const length = readUint24(bytes, at);
      if (length > this.#state.largestFrame) throw tooLong(length);
      const stream = readUint31(bytes, at + 5);
      this.#isWithheld = this.#state.isMixed && stream !== 0 && this.#isOfOthers(stream);
      if (this.#isWithheld) {
        this.#pass(bytes, at);
        this.#withhold(type, bytes[at + 4] as number, stream, length);
      } else {
        const whole = length + FRAME_HEADER;
        const isWhole = bytes.length - at >= whole;
        if (isRead(type, stream, length) && !isWhole) break;
        this.#serve(type, stream, bytes, at, whole);
        if (this.#from > at) {
          at += whole;
          continue;
        }
      }
      this.#left = FRAME_HEADER + length;
    }
    this.#pass(bytes, at);
    return at;
  }

  /** Whether a stream is withheld, or was: all of the caller's are that it opened after the last one that the server has. */
  #isOfOthers(stream: number): boolean {
    const { withheld, lastServed, lastStream } = this.#state;
    return stream > lastServed && stream <= lastStream && (stream & 1) === 1 || withheld.has(stream);
  }

  /** Looks at a frame that is the server's, or the connection's. */
  #serve(type: number, stream: number, bytes: Uint8Array, at: number, whole: number): void {
    const state = this.#state;
    switch (type) {
      case FrameType.DATA:
        if ((bytes[at + 4] as number) & Flag.END_STREAM) state.served.end(stream, Half.REQUEST);
        return;
      case FrameType.RST_STREAM:
        return state.served.close(stream);
      case FrameType.WINDOW_UPDATE:
        if (stream === 0 && whole === FRAME_HEADER + 4) this.#credit(bytes, at);
        return;
      case FrameType.SETTINGS:
        return this.#settings(bytes[at + 4] as number, bytes.subarray(at + FRAME_HEADER, at + whole));
      case FrameType.PING:
        if (whole === FRAME_HEADER + PING && stream === 0) this.#ping(bytes, at);
        return;
      case FrameType.CONTINUATION:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without HEADERS");
    }
  }

  /** A server that has no streams may take a PING for abuse, as gRPC's do, though its caller has some that it doesn't know of. */
  #ping(bytes: Uint8Array, at: number): void {
    const state = this.#state;
    if (!state.isMixed || ((bytes[at + 4] as number) & Flag.ACK) !== 0) return;
    const isUnknown = state.served.size === 0 && state.withheld.open.size > 0;
    const isOfOthers = state.sideSpoke && !state.serverSpoke;
    state.sideSpoke = state.serverSpoke = false;
    if (!isUnknown && !isOfOthers) return;
    this.#pass(bytes, at);
    this.#from = at + FRAME_HEADER + PING;
    this.#host.toCaller(ownFrame(FrameType.PING, Flag.ACK, 0, bytes.subarray(at + FRAME_HEADER, this.#from)));
  }

  #withhold(type: number, flags: number, stream: number, length: number): void {
    const { withheld } = this.#state;
    if (type === FrameType.DATA) {
      if ((flags & Flag.PADDED) !== 0 && length > LARGEST_WHOLE) throw tooMuch("padded DATA", LARGEST_WHOLE);
      this.#host.took(length);
      if (flags & Flag.END_STREAM) withheld.end(stream, Half.REQUEST);
    } else if (length > LARGEST_WHOLE) throw tooMuch("a frame", LARGEST_WHOLE);
    else if (type === FrameType.CONTINUATION) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "CONTINUATION without HEADERS");
    } else if (type === FrameType.RST_STREAM) withheld.close(stream);
  }

  /** The caller takes more bytes. Those that withheld streams have used don't concern the server. */
  #credit(bytes: Uint8Array, at: number): void {
    const state = this.#state;
    const increment = readUint31(bytes, at + FRAME_HEADER);
    state.window += increment;
    const kept = Math.min(increment, state.owed);
    if (kept > 0) {
      state.owed -= kept;
      this.#pass(bytes, at);
      if (increment > kept) this.parts.push(windowUpdate(0, increment - kept));
      this.#from = at + FRAME_HEADER + 4;
    }
    if (state.isMixed) this.#host.credited();
  }

  #settings(flags: number, payload: Uint8Array): void {
    if (flags & Flag.ACK) return;
    const { announced, caller } = this.#state;
    if (announced.length >= MOST_ANNOUNCED) throw tooMuch("SETTINGS", MOST_ANNOUNCED);
    announced.push(decodeSettings(payload, announced.at(-1) ?? caller, "client"));
  }

  /** Decides about a header block, which lies between `at` and `end`. */
  #headers(bytes: Uint8Array, at: number, end: number): void {
    const state = this.#state;
    const { stream, block, priority } = this.#block(bytes, at, end);
    const decoded = this.#decoder.decode(block.bytes);
    const { resized } = this.#decoder;
    if (resized !== undefined) {
      if (resized.last > state.largestTable) {
        throw new ConnectionError(ErrorCode.COMPRESSION_ERROR, `a table of ${resized.last} bytes`);
      }
      this.#sizes = mergedSizes(this.#sizes, resized);
    }
    const isNew = stream > state.lastStream && (stream & 1) === 1;
    const isKept = isNew
      ? this.#keeps(block, decoded.headers, decoded.tooLarge, decoded.size)
      : state.isMixed && state.withheld.has(stream);
    if (isNew) state.lastStream = stream;
    if (isKept) {
      if (decoded.tooLarge) throw tooMuch("a header list", HEADER_LIST);
      this.#pass(bytes, at);
      this.#from = end;
      if (isNew) this.#host.opened(stream);
      const literal = this.#literal(decoded.headers);
      this.#host.toSide(headerFrames(stream, literal, { end: block.endStream, priority: NOTHING }), false);
      if (block.endStream) state.withheld.end(stream, Half.REQUEST);
      return;
    }
    if (!isNew && stream > state.lastServed) {
      // The server doesn't know that there were later ones.
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "a stream with a lower number than one before");
    }
    if (isNew) {
      state.lastServed = stream;
      if (state.served.size >= MOST_SERVED) throw tooMuch("open streams", MOST_SERVED);
      state.served.add(stream);
    }
    if (block.endStream) state.served.end(stream, Half.REQUEST);
    if (state.isMixed) {
      if (decoded.tooLarge) throw tooMuch("a header list", HEADER_LIST);
      this.#pass(bytes, at);
      this.#from = end;
      const literal = joined([sizeUpdates(this.#sizes), this.#literal(decoded.headers)]);
      this.parts.push(headerFrames(stream, literal, { end: block.endStream, priority }));
    }
    this.#sizes = undefined;
  }

  #keeps(block: HeaderBlock, headers: readonly Header[], tooLarge: boolean, size: number): boolean {
    const { lastProcessed } = this.#state;
    if (tooLarge || block.error !== undefined) return false;
    if (lastProcessed !== undefined && block.stream > lastProcessed) return false;
    return this.#host.withholds(block.stream, headers, size);
  }

  /** Takes a whole block apart. */
  #block(bytes: Uint8Array, at: number, end: number) {
    const stream = readUint31(bytes, at + 5);
    if (stream === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "HEADERS on stream 0");
    let block: HeaderBlock | undefined;
    let priority: Uint8Array = NOTHING;
    for (let next = at; next < end;) {
      const flags = bytes[next + 4] as number;
      const payload = bytes.subarray(next + FRAME_HEADER, next + FRAME_HEADER + readUint24(bytes, next));
      if (next === at) {
        block = this.#blocks.headers(stream, flags, payload);
        const from = flags & Flag.PADDED ? 1 : 0;
        if (flags & Flag.PRIORITY) priority = payload.subarray(from, from + 5);
      } else block = this.#blocks.continuation(stream, flags, payload);
      next += FRAME_HEADER + payload.length;
    }
    if (block === undefined) throw new ConnectionError(ErrorCode.INTERNAL_ERROR, "a block without an end");
    return { stream, block, priority };
  }

  #literal(headers: readonly Header[]): Uint8Array {
    this.#encoder ??= new Encoder({ index: "never", secret: NONE, huffman: false, verbatim: true });
    return this.#encoder.encode(headers);
  }

  #pass(bytes: Uint8Array, to: number): void {
    if (to > this.#from) {
      this.parts.push(this.#from === 0 && to === bytes.length ? bytes : bytes.subarray(this.#from, to));
    }
    this.#from = to;
  }
}

/** Whether a frame that isn't withheld is read, and therefore has to be whole. */
function isRead(type: number, stream: number, length: number): boolean {
  if (type === FrameType.WINDOW_UPDATE) return stream === 0 && length === 4;
  if (type === FrameType.PING) return stream === 0 && length === PING;
  if (type !== FrameType.SETTINGS) return false;
  if (length > LARGEST_WHOLE) throw tooMuch("SETTINGS", LARGEST_WHOLE);
  return true;
}

/**
 * Where a header block ends whose first frame begins at `at`; -1 while it isn't whole.
 * @throws ConnectionError when it won't ever be one, or exceeds a limit
 */
function endOfBlock(bytes: Uint8Array, at: number, largestFrame: number): number {
  let size = 0;
  let frames = 0;
  for (let next = at;;) {
    if (bytes.length - next < FRAME_HEADER) return -1;
    const isFirst = next === at;
    const isSame = readUint31(bytes, next + 5) === readUint31(bytes, at + 5);
    if (!isFirst && (bytes[next + 3] !== FrameType.CONTINUATION || !isSame)) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "a frame within a header block");
    }
    const length = readUint24(bytes, next);
    if (length > largestFrame) {
      throw tooLong(length);
    }
    size += length;
    if (size > LIMITS.headerBlock) throw tooMuch("a header block", LIMITS.headerBlock);
    if (++frames > LIMITS.continuations) throw tooMuch("frames of a header block", LIMITS.continuations);
    next += FRAME_HEADER + length;
    if (next > bytes.length) return -1;
    if ((bytes[next - length - FRAME_HEADER + 4] as number) & Flag.END_HEADERS) return next;
  }
}

function tooLong(length: number): ConnectionError {
  return new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} bytes`);
}

function tooMuch(what: string, most: number): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, `${what}: more than ${most}`);
}
