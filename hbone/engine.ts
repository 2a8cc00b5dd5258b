/**
 * The protocol's rules for a connection: what each frame does, in both roles (RFC 9113 §5 and §6). Beginning and end
 * are in connection.ts.
 */
import type { Transport } from "../wire/transport.ts";
import { ConnectionError, ErrorCode, StreamError } from "./errors.ts";
import { ConnectionWindow } from "./flow.ts";
import {
  DEFAULT_WINDOW,
  expectLength,
  Flag,
  FrameType,
  MAX_WINDOW,
  PREFACE,
  readUint31,
  readUint32,
} from "./frame.ts";
import { FrameReader, type FrameSink } from "./frame_reader.ts";
import { FrameWriter } from "./frame_writer.ts";
import { checkRequest, type Header } from "./header.ts";
import { dependsOnItself, type HeaderBlock, HeaderBlocks } from "./header_blocks.ts";
import { Decoder } from "./hpack/decoder.ts";
import type { Limits } from "./limits.ts";
import { Patience } from "./patience.ts";
import { Pings } from "./pings.ts";
import { BufferPool, type Segment } from "./pool.ts";
import { SendQueue } from "./send_queue.ts";
import { RoundTrip } from "./round_trip.ts";
import { decodeSettings, INITIAL_SETTINGS, type Settings } from "./settings.ts";
import { StallWatch } from "./stall.ts";
import type { Stream } from "./stream.ts";
import { type StreamHost, StreamState } from "./stream_state.ts";
import { StreamTable } from "./stream_table.ts";
import { WindowGrowth } from "./window_growth.ts";

const NOTHING = new Uint8Array(0);
/** Bytes that the peer may have on the way over all streams; less where the cap on buffers is less. */
const CONNECTION_WINDOW = 16 * 1024 * 1024;

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
  readonly streams: StreamTable;
  readonly window: ConnectionWindow;
  readonly writer: FrameWriter;
  /** What the peer said of itself. */
  peer: Settings = INITIAL_SETTINGS;

  readonly #ours: Settings;
  readonly #limits: Limits;
  readonly #events: EngineEvents;
  readonly #decoder: Decoder;
  readonly #blocks: HeaderBlocks;
  readonly #patience: Patience;
  readonly #stall: StallWatch;
  readonly #roundTrip = new RoundTrip();
  readonly #growth: WindowGrowth;
  #settingsSent = 0;
  #settingsCame = false;

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
    this.writer = new FrameWriter(this.queue);
    this.streams = new StreamTable(role);
    const preface = role === "server" ? PREFACE : NOTHING;
    this.reader = new FrameReader(transport, this.pool, this, ours.maxFrameSize, preface);
    this.window = new ConnectionWindow(DEFAULT_WINDOW, CONNECTION_WINDOW, limits.buffered);
    this.#growth = new WindowGrowth(this.#roundTrip, this.window, ours.initialWindowSize, limits.window);
    this.pings = new Pings(limits.pings, this.#roundTrip, (payload) => this.writer.ping(payload, false));
    this.#decoder = new Decoder(ours.headerTableSize, limits);
    this.#blocks = new HeaderBlocks(limits);
    this.#patience = new Patience(limits);
    this.#stall = new StallWatch(this.window, this.streams, limits.stallMs);
  }

  /** Sends what comes before everything else (RFC 9113 §3.4). */
  start(): void {
    if (this.role === "client") this.writer.preface();
    this.writer.settings(this.#ours);
    this.#settingsSent = performance.now();
    this.#creditConnection();
  }

  /** The connection is over: every stream breaks, what comes is thrown away. */
  stop(error: Error): void {
    this.reader.discarding = true;
    this.#stall.stop();
    for (const stream of [...this.streams.open.values()]) stream.broke(error);
    this.pings.fail(error);
  }

  /** Opens a stream; the caller has checked that it may. @throws TypeError for headers that can't be sent. */
  open(headers: readonly Header[], end: boolean): StreamState {
    const id = this.streams.next;
    this.writer.headers(id, headers, end);
    this.streams.next += 2;
    const stream = this.#addStream(id, headers, -1);
    if (end) stream.outbox.endedWithHeaders();
    return stream;
  }

  sendGoaway(code: ErrorCode, debug = ""): void {
    this.writer.goaway(Math.min(this.streams.lastPeerStream, this.streams.lastAccepted), code, debug);
  }

  // What streams ask for (StreamHost).

  taken(stream: StreamState, bytes: number, increment: number): void {
    this.window.release(bytes);
    if (increment > 0) this.#creditStream(stream, increment);
    else if (stream.inbox.buffered === 0 && this.streams.unread.size > 0) this.streams.unread.delete(stream);
    // Only does something where the cap on buffers held it back.
    this.#creditConnection();
  }

  over(stream: StreamState, resetByUs: boolean): void {
    this.streams.close(stream, resetByUs);
    this.#growth.over(stream.inbox.window);
    if (this.streams.open.size === 0) this.#events.quiet();
  }

  // What the reader brings (FrameSink).

  turn(): void {
    this.#creditConnection();
    this.#stall.check();
  }

  get held(): number {
    return this.window.buffered;
  }

  compact(): void {
    for (const stream of this.streams.byBuffered()) stream.inbox.compact();
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
    if (first && last && length === 0 && !ends) this.#patience.idleFrame("empty DATA");
    if (padding > 0) this.window.release(padding);
    const stream = this.streams.open.get(id);
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
        if (increment > 0 && !ends) this.writer.windowUpdate(id, increment);
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
        return this.#patience.idleFrame("frames of unknown types");
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
    const stream = this.streams.open.get(id);
    try {
      if (stream !== undefined) {
        if (error !== undefined) throw error;
        stream.headersCame(headers, block.endStream);
      } else if (this.streams.isNew(id)) {
        this.#accept(id, headers, block.endStream, error);
      } else this.#onClosed(id, "HEADERS");
    } catch (thrown) {
      this.#streamError(id, thrown);
    }
  }

  #accept(id: number, headers: readonly Header[], end: boolean, error: StreamError | undefined): void {
    this.streams.lastPeerStream = id;
    if (error !== undefined) throw error;
    if (id > this.streams.lastAccepted) throw new StreamError(ErrorCode.REFUSED_STREAM, "this end drains");
    if (this.streams.open.size >= this.#limits.streams) {
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
    this.streams.open.set(id, stream);
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
    const stream = this.streams.open.get(id);
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
    const stream = this.streams.open.get(id);
    if (stream === undefined) return this.#onClosed(id, undefined);
    if (this.role === "server" && !stream.answered) this.#patience.earlyReset();
    stream.resetCame(readUint32(payload, 0));
  }

  #settings(flags: number, stream: number, payload: Uint8Array): void {
    if (stream !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "SETTINGS on a stream");
    if (flags & Flag.ACK) {
      if (!this.#settingsCame) {
        throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "the first frame is an ACK");
      }
      expectLength("SETTINGS with ACK", payload, 0);
      const now = performance.now();
      this.#roundTrip.sample(now - this.#settingsSent, now);
      return this.#events.settingsAcknowledged();
    }
    this.#settingsCame = true;
    this.#patience.idleFrame("SETTINGS");
    const before = this.peer;
    this.peer = decodeSettings(payload, before, this.role === "client" ? "server" : "client");
    this.queue.setMaxFrame(this.peer.maxFrameSize);
    this.writer.setMaxTableSize(this.peer.headerTableSize);
    this.#patience.answer(() => this.queue.idle());
    this.writer.settingsAck();
    const growth = this.peer.initialWindowSize - before.initialWindowSize;
    if (growth === 0) return;
    for (const each of this.streams.open.values()) {
      if (!each.outbox.grow(growth)) {
        throw new ConnectionError(ErrorCode.FLOW_CONTROL_ERROR, "SETTINGS make a window larger than 2^31-1");
      }
    }
  }

  #ping(flags: number, stream: number, payload: Uint8Array): void {
    if (stream !== 0) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "PING on a stream");
    expectLength("PING", payload, 8);
    if (flags & Flag.ACK) return this.pings.answered(payload);
    this.#patience.idleFrame("PING");
    this.#patience.answer(() => this.queue.idle());
    this.writer.ping(payload, true);
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
    for (const each of [...this.streams.open.values()]) {
      if (each.id > last) each.resetCame(ErrorCode.REFUSED_STREAM);
    }
  }

  #priority(stream: number, payload: Uint8Array): void {
    this.#onStream(FrameType.PRIORITY, stream);
    this.#patience.idleFrame("PRIORITY");
    if (payload.length !== 5) {
      return this.#streamError(stream, new StreamError(ErrorCode.FRAME_SIZE_ERROR, "PRIORITY isn't 5 bytes"));
    }
    if (readUint31(payload, 0) === stream) this.#streamError(stream, dependsOnItself());
  }

  #onStream(type: number, stream: number): void {
    if (stream === 0) {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame of type ${type} on stream 0`);
    }
  }

  /** A frame for a stream that isn't open; `forbidden` names it if it must not come for a closed one. */
  #onClosed(id: number, forbidden: "DATA" | "HEADERS" | undefined): void {
    if (this.streams.mayIgnore(id) || forbidden === undefined) return;
    const message = `${forbidden} for stream ${id}, which is closed`;
    if (forbidden === "DATA" || this.role === "client") {
      return this.#streamError(id, new StreamError(ErrorCode.STREAM_CLOSED, message));
    }
    // Either a stream that was skipped, or one that ended (RFC 9113 §5.1 and §5.1.1).
    const code = this.streams.remembers(id) ? ErrorCode.STREAM_CLOSED : ErrorCode.PROTOCOL_ERROR;
    throw new ConnectionError(code, message);
  }

  /** Resets one stream for what the peer did; what isn't a StreamError is the connection's. */
  #streamError(id: number, error: unknown): void {
    if (!(error instanceof StreamError)) throw error;
    this.#patience.streamError(error.message);
    const stream = this.streams.open.get(id);
    if (stream !== undefined) return stream.reset(error.code, error);
    this.writer.reset(id, error.code);
    this.streams.remember(id, true);
  }

  #creditStream(stream: StreamState, increment: number): void {
    const now = performance.now();
    const growth = this.#growth.credited(stream.inbox.window, increment, now);
    this.writer.windowUpdate(stream.id, increment + growth);
    this.pings.measure(now);
  }

  #creditConnection(): void {
    const increment = this.window.credit();
    if (increment > 0) this.writer.windowUpdate(0, increment);
  }
}
