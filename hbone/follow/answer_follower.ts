/**
 * Follows what a server sends to a caller over HTTP/2, and puts answers to withheld streams between its frames.
 *
 * Hot path: while nothing is withheld, each read is passed on as it came, in one piece but for a frame whose rest is awaited.
 */
import { ConnectionError, ErrorCode } from "../frames/errors.ts";
import {
  Flag,
  FRAME_FLAGS,
  FRAME_HEADER,
  FrameType,
  readUint24,
  readUint31,
  readUint32,
  writeUint32,
} from "../frames/frame.ts";
import { decodeSettings } from "../frames/settings.ts";
import type { FollowedState } from "./followed_state.ts";
import { Half } from "./followed_streams.ts";
import { FRAME_COST, HeldFrames } from "./held_frames.ts";
import {
  goAway,
  headerFrames,
  joined,
  ownFrame,
  resetStream,
  settingsAck,
  sizeUpdates,
  windowSettings,
  windowUpdate,
} from "./own_frames.ts";

/** Bytes of a frame that has to be whole to be read. */
const LARGEST_WHOLE = 64 * 1024;
/** Bytes that are held until no more is read of their sender. */
const MOST_HELD = 4 * 1024 * 1024;
/** Bytes of a header block that is held. */
const LARGEST_BLOCK = 1024 * 1024;
/** Bytes of a withheld stream's window, as the one has it who answers it. */
export const SIDE_WINDOW = 65_535;
const NOTHING = new Uint8Array(0);
/** As long as nothing is withheld, nothing is held. */
const NONE_HELD = new HeldFrames();

/** What becomes of answers. */
export interface AnswerHost {
  /** Whole frames for the connection of withheld streams. */
  tellSide(frames: Uint8Array): void;
  /** Whole frames for the caller, which it gets between others. */
  toCaller(frames: Uint8Array): void;
  /** The connection of withheld streams has ended by an error of the caller's. */
  sideBroke(code: number, debug: string): void;
}

export class AnswerFollower {
  /** What the last call of `take` leaves for the caller, as {@linkcode RequestFollower.parts}. */
  readonly parts: Uint8Array[] = [];
  /** Where in those other frames may come first; -1 where they may not. */
  boundary = 0;
  /** Other frames must not follow them. */
  isWithinFrame = false;
  readonly #state: FollowedState;
  readonly #host: AnswerHost;
  /** What the server has sent, and what answers withheld streams, beyond the caller's window. */
  #servers = NONE_HELD;
  #sides = NONE_HELD;
  #left = 0;
  #isHeld = false;
  /** Nothing has come yet: SETTINGS are what a server begins with. */
  #isFirst = true;
  /** Within a header block of several frames. */
  #isBlock = false;
  #blockSize = 0;
  #from = 0;
  /** Bytes of `parts`. */
  #passed = 0;
  /** Bytes of answers that their connection wasn't told of. */
  #spent = 0;
  /** Frames of a header block for a withheld stream that isn't whole. */
  #sideBlock: Uint8Array[] = [];

  constructor(state: FollowedState, host: AnswerHost) {
    this.#state = state;
    this.#host = host;
  }

  /** Whether nothing more may be read of the server until the caller takes more. */
  get isFull(): boolean {
    return this.#servers.bytes >= MOST_HELD && this.#left === 0;
  }

  /** Whether nothing is held of the server's. */
  get hasAllOfServer(): boolean {
    return this.#servers.isEmpty;
  }

  /** Whether nothing more may be taken of answers to withheld streams until the caller takes more. */
  get isSideFull(): boolean {
    return this.#sides.bytes >= MOST_HELD;
  }

  /**
   * Takes what the server has sent, as far as it can be decided.
   * @returns how many bytes; the others have to come again
   * @throws ConnectionError for what can't be followed, if something was withheld before
   */
  take(bytes: Uint8Array): number {
    this.parts.length = 0;
    this.#from = 0;
    this.#passed = 0;
    this.boundary = this.#isPassing || this.#isFirst ? -1 : 0;
    if (!this.#state.isBlind) {
      try {
        const taken = this.#follow(bytes);
        this.isWithinFrame = this.#isPassing;
        return taken;
      } catch (error) {
        if (!(error instanceof ConnectionError) || this.#state.isMixed) throw error;
        this.#state.isBlind = true;
        this.parts.length = 0;
      }
    }
    this.parts.push(bytes);
    return bytes.length;
  }

  /** Whether a frame, or a header block, was passed on of which more is to come. */
  get #isPassing(): boolean {
    return (this.#left > 0 || this.#isBlock) && !this.#isHeld;
  }

  #follow(bytes: Uint8Array): number {
    const state = this.#state;
    let at = 0;
    for (;;) {
      if (this.#left > 0) {
        const length = Math.min(this.#left, bytes.length - at);
        if (length === 0) break;
        if (this.#isHeld) {
          this.#servers.fill(bytes.subarray(at, at + length));
          this.#from = at + length;
        }
        at += length;
        this.#left -= length;
        continue;
      }
      if (this.boundary < 0 && !this.#isPassing && !this.#isFirst) {
        this.boundary = this.#passed + at - this.#from;
      }
      if (bytes.length - at < FRAME_HEADER || this.isFull) break;
      const length = readUint24(bytes, at);
      const type = bytes[at + 3] as number;
      const flags = bytes[at + FRAME_FLAGS] as number;
      const stream = readUint31(bytes, at + 5);
      const whole = FRAME_HEADER + length;
      if (type === FrameType.SETTINGS || type === FrameType.GOAWAY) {
        if (length > LARGEST_WHOLE) {
          throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "too large a frame");
        }
        if (bytes.length - at < whole) break;
      }
      this.#isFirst = false;
      this.#look(type, flags, stream, length);
      if (state.isMixed) this.#holdOrPass(type, stream, length, bytes, at);
      else if (type === FrameType.DATA) state.window -= length;
      if (state.tableSize !== undefined && beginsBlock(type) && !this.#isHeld) state.tableSize = undefined;
      if (type === FrameType.SETTINGS) {
        this.#settings(flags, bytes.subarray(at + FRAME_HEADER, at + whole), bytes, at + whole);
        at += whole;
      } else if (type === FrameType.GOAWAY) {
        this.#goAway(bytes, at, whole);
        at += whole;
      } else this.#left = whole;
    }
    this.#pass(bytes, at);
    return at;
  }

  #look(type: number, flags: number, stream: number, length: number): void {
    const state = this.#state;
    switch (type) {
      case FrameType.DATA:
        state.serverSpoke = true;
        if (flags & Flag.END_STREAM) state.served.end(stream, Half.ANSWER);
        return;
      case FrameType.HEADERS:
      case FrameType.PUSH_PROMISE:
        state.serverSpoke = true;
        if (type === FrameType.HEADERS && flags & Flag.END_STREAM) state.served.end(stream, Half.ANSWER);
        this.#isBlock = (flags & Flag.END_HEADERS) === 0;
        this.#blockSize = length;
        return;
      case FrameType.CONTINUATION:
        this.#blockSize += FRAME_HEADER + FRAME_COST + length;
        if ((flags & Flag.END_HEADERS) !== 0) this.#isBlock = false;
        return;
      case FrameType.RST_STREAM:
        state.served.close(stream);
    }
  }

  #holdOrPass(type: number, stream: number, length: number, bytes: Uint8Array, at: number) {
    const state = this.#state;
    const whole = FRAME_HEADER + length;
    if (type === FrameType.CONTINUATION) {
      if (!this.#isHeld) return;
      if (this.#blockSize > LARGEST_BLOCK) {
        throw new ConnectionError(
          ErrorCode.ENHANCE_YOUR_CALM,
          `a header block of more than ${LARGEST_BLOCK}`,
        );
      }
      this.#pass(bytes, at);
      return this.#servers.extend(whole, this.#isBlock);
    }
    const isTooMuch = type === FrameType.DATA && length > state.window;
    this.#isHeld = isTooMuch || this.#servers.precede(type, stream);
    if (this.#isHeld) {
      this.#pass(bytes, at);
      this.#servers.hold(type, stream, whole, this.#isBlock && type !== FrameType.DATA);
      if (type === FrameType.SETTINGS) {
        this.#servers.fill(bytes.subarray(at, at + whole));
        this.#from = at + whole;
      }
    } else if (type === FrameType.DATA) state.window -= length;
  }

  #settings(flags: number, payload: Uint8Array, bytes: Uint8Array, end: number): void {
    const state = this.#state;
    if (flags & Flag.ACK) {
      if (!this.#isHeld) this.#acknowledged();
      return;
    }
    const before = state.server;
    const now = state.server = decodeSettings(payload, before, "server");
    state.largestFrame = Math.max(state.largestFrame, now.maxFrameSize);
    state.largestTable = Math.max(state.largestTable, now.headerTableSize);
    const growth = now.initialWindowSize - before.initialWindowSize;
    if (growth === 0 || !state.isMixed) return;
    // The caller changes the windows of all its streams. Those of withheld ones must not become smaller than they are
    // for those who answer them.
    this.#pass(bytes, end);
    for (const [id, stream] of state.withheld.open) {
      stream.slack += growth;
      if (stream.slack >= 0) continue;
      this.#add(windowUpdate(id, -stream.slack));
      stream.slack = 0;
    }
  }

  /** What the caller has announced is in force. */
  #acknowledged(): void {
    const state = this.#state;
    const now = state.announced.shift();
    if (now === undefined) return;
    const before = state.caller;
    state.caller = now;
    if (now.headerTableSize < before.headerTableSize) state.tableSize = now.headerTableSize;
    if (state.isMixed && now.initialWindowSize !== before.initialWindowSize) {
      this.#host.tellSide(windowSettings(now.initialWindowSize));
    }
  }

  /** The server takes no more streams. What is answered by others isn't lost by that, so the caller must not send it again. */
  #goAway(bytes: Uint8Array, at: number, whole: number): void {
    const state = this.#state;
    if (whole < FRAME_HEADER + 8) return;
    const last = readUint31(bytes, at + FRAME_HEADER);
    const { highest } = state.withheld;
    state.lastProcessed = Math.max(last, highest);
    if (highest > last) {
      this.#pass(bytes, at);
      const told = bytes.slice(at, at + whole);
      writeUint32(told, FRAME_HEADER, highest);
      this.#add(told);
      this.#from = at + whole;
    }
    for (const id of state.served.ids) {
      if (id <= last) continue;
      state.served.close(id);
      if (id <= highest) this.#add(resetStream(id, ErrorCode.REFUSED_STREAM));
    }
  }

  #pass(bytes: Uint8Array, to: number): void {
    if (to > this.#from) {
      this.#add(this.#from === 0 && to === bytes.length ? bytes : bytes.subarray(this.#from, to));
    }
    this.#from = to;
  }

  #add(part: Uint8Array): void {
    this.parts.push(part);
    this.#passed += part.length;
  }

  // What answers withheld streams

  /** Withholds a stream: its window has to be what the one takes it for who answers it. */
  withhold(id: number): void {
    const state = this.#state;
    if (!state.isMixed) {
      this.#servers = new HeldFrames();
      this.#sides = new HeldFrames();
    }
    state.isMixed = true;
    const slack = state.server.initialWindowSize - SIDE_WINDOW;
    state.withheld.open.set(id, { ended: 0, slack: Math.max(0, slack) });
    if (slack < 0) this.#host.toCaller(windowUpdate(id, -slack));
  }

  /** Takes whole frames of the connection of withheld streams. */
  fromSide(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const whole = FRAME_HEADER + readUint24(bytes, at);
      this.#fromSide(bytes.subarray(at, at + whole));
      at += whole;
    }
  }

  #fromSide(frame: Uint8Array): void {
    const type = frame[3] as number;
    const flags = frame[FRAME_FLAGS] as number;
    const stream = readUint31(frame, 5);
    switch (type) {
      case FrameType.SETTINGS:
        if ((flags & Flag.ACK) === 0) this.#host.tellSide(settingsAck());
        return;
      case FrameType.PING:
        if ((flags & Flag.ACK) === 0) {
          this.#host.tellSide(ownFrame(FrameType.PING, Flag.ACK, 0, frame.subarray(FRAME_HEADER)));
        }
        return;
      case FrameType.GOAWAY: {
        const code = readUint32(frame, FRAME_HEADER + 4);
        const debug = new TextDecoder().decode(frame.subarray(FRAME_HEADER + 8));
        if (code !== ErrorCode.NO_ERROR) this.#host.sideBroke(code, debug);
        return;
      }
      case FrameType.WINDOW_UPDATE:
        if (stream !== 0) this.#host.toCaller(frame.slice());
        return;
      case FrameType.HEADERS:
      case FrameType.CONTINUATION:
        if ((flags & Flag.END_HEADERS) !== 0 && this.#sideBlock.length === 0) {
          return this.#answer(type, stream, frame.slice());
        }
        this.#sideBlock.push(frame.slice());
        if ((flags & Flag.END_HEADERS) === 0) return;
        frame = joined(this.#sideBlock);
        this.#sideBlock = [];
        return this.#answer(FrameType.HEADERS, stream, frame);
      default:
        return this.#answer(type, stream, frame.slice());
    }
  }

  #answer(type: number, stream: number, frame: Uint8Array): void {
    const length = type === FrameType.DATA ? frame.length - FRAME_HEADER : 0;
    const fits = length === 0 || length <= this.#state.window && this.#servers.isEmpty;
    if (fits && !this.#sides.precede(type, stream)) {
      this.#toCaller(frame);
      if (length > 0) this.#spend(length);
      return;
    }
    this.#sides.hold(type, stream, frame.length);
    this.#sides.fill(frame);
    this.#releaseSide();
  }

  /** The caller takes more, or what the server has sent has gone. */
  release(): void {
    this.#state.window -= this.#servers.release(this.#state.window, (frame) => {
      this.#host.toCaller(frame);
      if (frame[3] === FrameType.SETTINGS && (frame[FRAME_FLAGS] as number) & Flag.ACK) this.#acknowledged();
    });
    this.#releaseSide();
  }

  #releaseSide(): void {
    // The server's go first: it has no more window than it was given, while others might never let it have its turn.
    const window = this.#servers.isEmpty ? this.#state.window : 0;
    const used = this.#sides.release(window, (frame) => this.#toCaller(frame));
    if (used > 0) this.#spend(used);
  }

  /** An answer has used some of the caller's window. */
  #spend(bytes: number): void {
    const state = this.#state;
    state.window -= bytes;
    state.owed += bytes;
    // What limits withheld streams is the caller's window, and not what their own connection takes for it.
    this.#spent += bytes;
    if (this.#spent < SIDE_WINDOW / 4) return;
    this.#host.tellSide(windowUpdate(0, this.#spent));
    this.#spent = 0;
  }

  #toCaller(frame: Uint8Array): void {
    const state = this.#state;
    const type = frame[3] as number;
    const flags = frame[FRAME_FLAGS] as number;
    const stream = readUint31(frame, 5);
    if (type === FrameType.RST_STREAM) state.withheld.close(stream);
    if (type === FrameType.HEADERS || type === FrameType.DATA) state.sideSpoke = true;
    let told = frame;
    if (type === FrameType.HEADERS && state.tableSize !== undefined) {
      told = withTableSize(frame, state.tableSize);
      state.tableSize = undefined;
    }
    this.#host.toCaller(told);
    const isEnd = (type === FrameType.DATA || type === FrameType.HEADERS) && (flags & Flag.END_STREAM) !== 0;
    if (isEnd) state.withheld.end(stream, Half.ANSWER);
  }

  /** The server has gone while others still answer: its streams break, and the caller is told to open no more. */
  serverGone(): void {
    const state = this.#state;
    const broken = new Set([...state.served.ids, ...this.#servers.streams]);
    this.#servers.clear();
    state.served.clear();
    if (state.lastProcessed === undefined || state.lastProcessed > state.lastStream) {
      state.lastProcessed = state.lastStream;
      this.#host.toCaller(goAway(state.lastStream, ErrorCode.NO_ERROR));
    }
    broken.delete(0); // SETTINGS
    for (const id of broken) this.#host.toCaller(resetStream(id, ErrorCode.INTERNAL_ERROR));
    this.#releaseSide();
  }
}

function beginsBlock(type: number): boolean {
  return type === FrameType.HEADERS || type === FrameType.PUSH_PROMISE;
}

/** A header block with a new size of the table before its fields: a caller that has reduced it waits for that. */
function withTableSize(frames: Uint8Array, size: number): Uint8Array {
  const stream = readUint31(frames, 5);
  const isEnd = ((frames[FRAME_FLAGS] as number) & Flag.END_STREAM) !== 0;
  const parts = [sizeUpdates({ smallest: size, last: size })];
  for (let at = 0; at < frames.length;) {
    const length = readUint24(frames, at);
    parts.push(frames.subarray(at + FRAME_HEADER, at + FRAME_HEADER + length));
    at += FRAME_HEADER + length;
  }
  return headerFrames(stream, joined(parts), { end: isEnd, priority: NOTHING });
}
