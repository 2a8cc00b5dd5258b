/**
 * The protocol's rules for a connection: what each frame does, in both roles (RFC 9113 §5 and §6). Beginning and end
 * are in connection.ts.
 */
import type { Transport } from "../wire/transport.ts";
import { ConnectionError, ErrorCode, StreamError } from "./errors.ts";
import { ConnectionWindow } from "./flow.ts";
import {
  DEFAULT_WINDOW,
  Flag,
  FrameType,
  MAX_STREAM_ID,
  MAX_WINDOW,
  PREFACE,
  readUint31,
  readUint32,
  writeUint32,
} from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame_reader.ts";
import { checkRequest, type Header } from "./header.ts";
import { dependsOnItself, type HeaderBlock, HeaderBlocks } from "./header_blocks.ts";
import { Decoder } from "./hpack/decoder.ts";
import { Encoder } from "./hpack/encoder.ts";
import { Budget, type Limits } from "./limits.ts";
import { Pings } from "./pings.ts";
import { BufferPool, type Segment } from "./pool.ts";
import { SendQueue } from "./send_queue.ts";
import { decodeSettings, encodeSettings, INITIAL_SETTINGS, type Settings } from "./settings.ts";
import type { Stream } from "./stream.ts";
import { type StreamHost, StreamState } from "./stream_state.ts";

const NOTHING = new Uint8Array(0);
/** Bytes that the peer may have on the way over all streams; less where the cap on buffers is less. */
const CONNECTION_WINDOW = 16 * 1024 * 1024;
/** Closed streams that are remembered, to tell what was on its way from what must not come. */
const REMEMBERED = 1024;

/** What the engine tells the connection. */
export interface EngineEvents {
  stream(stream: Stream): void;
  /** The last stream ended. */
  quiet(): void;
  goaway(code: number, debug: string): void;
  settingsAcknowledged(): void;
  broken(error: Error): void;
}

export class Engine implements FrameSink, StreamHost {
  readonly role: "client" | "server";
  readonly queue: SendQueue;
  readonly pool = new BufferPool();
  readonly reader: FrameReader;
  readonly pings: Pings;
  readonly streams = new Map<number, StreamState>();
  readonly window: ConnectionWindow;
  /** What the peer said of itself. */
  peer: Settings = INITIAL_SETTINGS;
  /** The largest stream that the peer opened. */
  lastPeerStream = 0;
  /** The stream that open() takes next. */
  nextStream = 1;
  /** Streams above it are refused: we sent GOAWAY. */
  lastAccepted = MAX_STREAM_ID;

  readonly #ours: Settings;
  readonly #limits: Limits;
  readonly #events: EngineEvents;
  readonly #encoder = new Encoder();
  readonly #decoder: Decoder;
  readonly #blocks: HeaderBlocks;
  /** Closed streams, oldest first, and whether we reset them: then frames may still be on their way. */
  readonly #closed = new Map<number, boolean>();
  readonly #idleFrames: Budget;
  readonly #earlyResets: Budget;
  readonly #streamErrors: Budget;
  #settingsCame = false;
  #unsentAnswers = 0;
  #answersFlushing = false;

  constructor(
    transport: Transport,
    role: "client" | "server",
    ours: Settings,
    limits: Limits,
    events: EngineEvents,
  ) {
    this.role = role;
    this.#ours = ours;
    this.#limits = limits;
    this.#events = events;
    this.queue = new SendQueue(transport, this.pool, (error) => events.broken(error));
    const preface = role === "server" ? PREFACE : NOTHING;
    this.reader = new FrameReader(transport, this.pool, this, ours.maxFrameSize, preface);
    this.window = new ConnectionWindow(DEFAULT_WINDOW, CONNECTION_WINDOW, limits.buffered);
    this.pings = new Pings(limits.pings, (payload) => this.queue.frame(FrameType.PING, 0, 0, payload));
    this.#decoder = new Decoder(ours.headerTableSize, limits);
    this.#blocks = new HeaderBlocks(limits);
    this.#idleFrames = new Budget(limits.idleFrames, limits.idleFramesPerSecond);
    this.#earlyResets = new Budget(limits.earlyResets, limits.earlyResetsPerSecond);
    this.#streamErrors = new Budget(limits.streamErrors, limits.streamErrorsPerSecond);
  }

  /** Sends what comes before everything else (RFC 9113 §3.4). */
  start(): void {
    if (this.role === "client") this.queue.raw(PREFACE);
    this.queue.frame(FrameType.SETTINGS, 0, 0, encodeSettings(this.#ours));
    this.#creditConnection();
  }

  /** Opens a stream; the caller has checked that it may. @throws TypeError for headers that can't be sent. */
  open(headers: readonly Header[], end: boolean): StreamState {
    const id = this.nextStream;
    this.sendHeaders(id, headers, end);
    this.nextStream += 2;
    const stream = this.#addStream(id, headers, -1);
    if (end) stream.outbox.endedWithHeaders();
    return stream;
  }

  sendGoaway(code: ErrorCode, debug = ""): void {
    const text = new TextEncoder().encode(debug.slice(0, 256));
    const payload = new Uint8Array(8 + text.length);
    writeUint32(payload, 0, Math.min(this.lastPeerStream, this.lastAccepted));
    writeUint32(payload, 4, code);
    payload.set(text, 8);
    this.queue.frame(FrameType.GOAWAY, 0, 0, payload);
  }

  // What streams ask for (StreamHost).

  sendHeaders(stream: number, headers: readonly Header[], end: boolean): void {
    const block = this.#encoder.encode(headers);
    const most = this.queue.maxFrame;
    let flags = end ? Flag.END_STREAM : 0;
    let type: number = FrameType.HEADERS;
    for (let at = 0; at === 0 || at < block.length; at += most) {
      if (at + most >= block.length) flags |= Flag.END_HEADERS;
      this.queue.frame(type, flags, stream, block.subarray(at, at + most));
      type = FrameType.CONTINUATION;
      flags = 0;
    }
  }

  sendReset(stream: number, code: ErrorCode): void {
    const payload = new Uint8Array(4);
    writeUint32(payload, 0, code);
    this.queue.frame(FrameType.RST_STREAM, 0, stream, payload);
  }

  taken(stream: number, bytes: number, increment: number): void {
    this.window.release(bytes);
    if (increment > 0) this.#announce(stream, increment);
    // Only does something where the cap on buffers held it back.
    this.#creditConnection();
  }

  over(stream: StreamState, resetByUs: boolean): void {
    this.streams.delete(stream.id);
    this.#remember(stream.id, resetByUs);
    if (this.streams.size === 0) this.#events.quiet();
  }

  // What the reader brings (FrameSink).

  turn(): void {
    this.#creditConnection();
  }

  compact(): void {
    for (const stream of this.streams.values()) stream.inbox.compact();
  }

  data(
    id: number,
    flags: number,
    segment: Segment,
    start: number,
    end: number,
    padding: number,
    first: boolean,
    last: boolean,
    copy: boolean,
  ): void {
    this.#expect(FrameType.DATA, id);
    const length = end - start;
    if (!this.window.receive(length + padding)) {
      throw new ConnectionError(
        ErrorCode.FLOW_CONTROL_ERROR,
        "more DATA than the connection's window admits",
      );
    }
    const ends = last && (flags & Flag.END_STREAM) !== 0;
    if (first && last && length === 0 && !ends) this.#idleFrame("empty DATA");
    if (padding > 0) this.window.release(padding);
    const stream = this.streams.get(id);
    if (stream === undefined) {
      this.window.release(length);
      if (first) this.#onClosed(id, "DATA");
      return;
    }
    try {
      if (stream.inbox.ended) throw new StreamError(ErrorCode.STREAM_CLOSED, "DATA after END_STREAM");
      if (!stream.answered && this.role === "client") {
        throw new StreamError(ErrorCode.PROTOCOL_ERROR, "DATA before the response's headers");
      }
      if (!stream.inbox.window.receive(length + padding)) {
        throw new StreamError(ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the stream's window admits");
      }
    } catch (error) {
      this.window.release(length);
      this.#streamError(id, error);
      return;
    }
    try {
      if (padding > 0) {
        const increment = stream.inbox.window.take(padding);
        if (increment > 0 && !ends) this.#announce(id, increment);
      }
      stream.dataCame(segment, start, end, copy);
      if (ends) stream.endCame();
    } catch (error) {
      this.#streamError(id, error);
    }
  }

  frame(type: number, flags: number, stream: number, payload: Uint8Array): void {
    this.#expect(type, stream);
    switch (type) {
      case FrameType.HEADERS:
        this.#onStream(type, stream);
        return this.#block(this.#blocks.headers(stream, flags, payload));
      case FrameType.CONTINUATION:
        return this.#block(this.#blocks.continuation(stream, flags, payload));
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(stream, payload);
      case FrameType.RST_STREAM:
        return this.#rstStream(stream, payload);
      case FrameType.SETTINGS:
        return this.#settings(flags, stream, payload);
      case FrameType.PING:
        return this.#ping(flags, stream, payload);
      case FrameType.GOAWAY:
        return this.#goaway(stream, payload);
      case FrameType.PRIORITY:
        return this.#priority(stream, payload);
      case FrameType.PUSH_PROMISE:
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "PUSH_PROMISE, which was never allowed");
      default:
        return this.#idleFrame("frames of unknown types");
    }
  }

  #expect(type: number, stream: number): void {
    if (!this.#settingsCame && type !== FrameType.SETTINGS) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "the first frame isn't SETTINGS");
    }
    this.#blocks.expect(type, stream);
  }

  #block(block: HeaderBlock | undefined): void {
    if (block === undefined) return;
    const { headers, tooLarge } = this.#decoder.decode(block.bytes);
    let error = block.error;
    if (tooLarge) error ??= new StreamError(ErrorCode.ENHANCE_YOUR_CALM, "more headers than the limit");
    const id = block.stream;
    const stream = this.streams.get(id);
    try {
      if (stream !== undefined) {
        if (error !== undefined) throw error;
        stream.headersCame(headers, block.endStream);
      } else if (this.role === "server" && id % 2 === 1 && id > this.lastPeerStream) {
        this.#accept(id, headers, block.endStream, error);
      } else this.#onClosed(id, "HEADERS");
    } catch (thrown) {
      this.#streamError(id, thrown);
    }
  }

  #accept(id: number, headers: readonly Header[], end: boolean, error: StreamError | undefined): void {
    this.lastPeerStream = id;
    if (error !== undefined) throw error;
    if (id > this.lastAccepted) throw new StreamError(ErrorCode.REFUSED_STREAM, "this end drains");
    if (this.streams.size >= this.#limits.streams) {
      throw new StreamError(ErrorCode.REFUSED_STREAM, `${this.#limits.streams} streams are open`);
    }
    const contentLength = checkRequest(headers);
    const stream = this.#addStream(id, headers, contentLength);
    // The end first: whoever takes the stream finds it as it is.
    if (end) stream.endCame();
    this.#events.stream(stream.stream);
  }

  #addStream(id: number, headers: readonly Header[], contentLength: number): StreamState {
    const windows = { receive: this.#ours.initialWindowSize, send: this.peer.initialWindowSize };
    const stream = new StreamState(this, id, headers, windows, contentLength);
    this.streams.set(id, stream);
    return stream;
  }

  #windowUpdate(id: number, payload: Uint8Array): void {
    expectLength("WINDOW_UPDATE", payload, 4);
    const increment = readUint31(payload, 0);
    if (id === 0) {
      if (increment === 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0");
      if (this.queue.window + increment > MAX_WINDOW) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "a connection window of more than 2^31-1");
      }
      this.queue.windowGrew(increment);
      return;
    }
    const stream = this.streams.get(id);
    if (stream === undefined) return this.#onClosed(id, undefined);
    if (increment === 0) {
      this.#streamError(id, new StreamError(ErrorCode.PROTOCOL_ERROR, "WINDOW_UPDATE of 0"));
    } else if (!stream.outbox.grow(increment)) {
      this.#streamError(id, new StreamError(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1"));
    }
  }

  #rstStream(id: number, payload: Uint8Array): void {
    this.#onStream(FrameType.RST_STREAM, id);
    expectLength("RST_STREAM", payload, 4);
    const stream = this.streams.get(id);
    if (stream === undefined) return this.#onClosed(id, undefined);
    // Opening and resetting at once makes us work for nothing (CVE-2023-44487).
    if (this.role === "server" && !stream.answered && !this.#earlyResets.spend()) {
      throw new ConnectionError(
        ErrorCode.ENHANCE_YOUR_CALM,
        "too many streams reset before they were answered",
      );
    }
    stream.resetCame(readUint32(payload, 0));
  }

  #settings(flags: number, stream: number, payload: Uint8Array): void {
    if (stream !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    if (flags & Flag.ACK) {
      if (!this.#settingsCame) {
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "the first frame is an ACK");
      }
      expectLength("SETTINGS with ACK", payload, 0);
      return this.#events.settingsAcknowledged();
    }
    this.#settingsCame = true;
    this.#idleFrame("SETTINGS");
    const before = this.peer;
    this.peer = decodeSettings(payload, before, this.role === "client" ? "server" : "client");
    this.queue.setMaxFrame(this.peer.maxFrameSize);
    this.#encoder.setMaxTableSize(this.peer.headerTableSize);
    this.#answer(FrameType.SETTINGS, NOTHING);
    const growth = this.peer.initialWindowSize - before.initialWindowSize;
    if (growth === 0) return;
    for (const each of this.streams.values()) {
      if (!each.outbox.grow(growth)) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS make a window larger than 2^31-1");
      }
    }
  }

  #ping(flags: number, stream: number, payload: Uint8Array): void {
    if (stream !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
    expectLength("PING", payload, 8);
    if (flags & Flag.ACK) return this.pings.answered(payload);
    this.#idleFrame("PING");
    this.#answer(FrameType.PING, payload);
  }

  #goaway(stream: number, payload: Uint8Array): void {
    if (stream !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "GOAWAY on a stream");
    if (payload.length < 8) {
      throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY shorter than 8 bytes");
    }
    const last = readUint31(payload, 0);
    const code = readUint32(payload, 4);
    this.#events.goaway(code, new TextDecoder().decode(payload.subarray(8, 264)));
    if (this.role === "server") return;
    // The peer did nothing for these, and won't (RFC 9113 §6.8).
    for (const each of [...this.streams.values()]) {
      if (each.id > last) each.resetCame(ErrorCode.REFUSED_STREAM);
    }
  }

  #priority(stream: number, payload: Uint8Array): void {
    this.#onStream(FrameType.PRIORITY, stream);
    this.#idleFrame("PRIORITY");
    if (payload.length !== 5) {
      return this.#streamError(stream, new StreamError(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY isn't 5 bytes"));
    }
    if (readUint31(payload, 0) === stream) this.#streamError(stream, dependsOnItself());
  }

  #answer(type: number, payload: Uint8Array): void {
    if (++this.#unsentAnswers > this.#limits.unsentAnswers) {
      throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, "the peer asks and doesn't read the answers");
    }
    this.queue.frame(type, Flag.ACK, 0, payload);
    if (this.#answersFlushing) return;
    this.#answersFlushing = true;
    this.queue.idle().then(() => {
      this.#answersFlushing = false;
      this.#unsentAnswers = 0;
    });
  }

  #onStream(type: number, stream: number): void {
    if (stream === 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame of type ${type} on stream 0`);
    }
  }

  /** A frame for a stream that isn't open; `forbidden` names it if it must not come for a closed one. */
  #onClosed(id: number, forbidden: string | undefined): void {
    const byUs = this.#closed.get(id);
    // It was on its way when we reset the stream.
    if (byUs === true) return;
    const initiator = id % 2 === 1 ? "client" : "server";
    const opened = initiator === this.role ? id < this.nextStream : id <= this.lastPeerStream;
    if (id === 0 || !opened || initiator === "server") {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame for stream ${id}, which was never opened`);
    }
    if (forbidden === undefined) return;
    if (forbidden === "HEADERS" && this.role === "server") {
      const code = byUs === undefined ? ErrorCode.PROTOCOL_ERROR : ErrorCode.STREAM_CLOSED;
      throw new ConnectionError(code, `HEADERS for stream ${id}, which is closed`);
    }
    this.#streamError(
      id,
      new StreamError(ErrorCode.STREAM_CLOSED, `${forbidden} for stream ${id}, which is closed`),
    );
  }

  /** Resets one stream for what the peer did; what isn't a StreamError is the connection's. */
  #streamError(id: number, error: unknown): void {
    if (!(error instanceof StreamError)) throw error;
    if (!this.#streamErrors.spend()) {
      throw new ConnectionError(
        ErrorCode.ENHANCE_YOUR_CALM,
        `too many streams in error; the last: ${error.message}`,
      );
    }
    const stream = this.streams.get(id);
    if (stream !== undefined) return stream.reset(error.code, error);
    this.sendReset(id, error.code);
    this.#remember(id, true);
  }

  #remember(id: number, resetByUs: boolean): void {
    this.#closed.set(id, resetByUs);
    if (this.#closed.size <= REMEMBERED) return;
    const oldest = this.#closed.keys().next();
    if (!oldest.done) this.#closed.delete(oldest.value);
  }

  #idleFrame(what: string): void {
    if (this.#idleFrames.spend()) return;
    throw new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, `too many frames that say nothing: ${what}`);
  }

  #creditConnection(): void {
    const increment = this.window.credit();
    if (increment > 0) this.#announce(0, increment);
  }

  #announce(stream: number, increment: number): void {
    const payload = new Uint8Array(4);
    writeUint32(payload, 0, increment);
    this.queue.frame(FrameType.WINDOW_UPDATE, 0, stream, payload);
  }
}

function expectLength(name: string, payload: Uint8Array, length: number): void {
  if (payload.length === length) return;
  throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${name} of ${payload.length} bytes, not ${length}`);
}
