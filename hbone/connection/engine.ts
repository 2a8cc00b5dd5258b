/**
 * The engine of a connection: its parts, and what its streams ask of it. receiver.ts and control_frames.ts handle the peer's
 * frames, connection.ts the beginning and the end.
 */
import type { Transport } from "../../net/transport.ts";
import { ErrorCode } from "../frames/errors.ts";
import { ConnectionWindow } from "../streams/flow_control.ts";
import { DEFAULT_WINDOW, MAX_STREAM_ID, PREFACE } from "../frames/frame.ts";
import { FrameReader } from "../frames/frame_reader.ts";
import type { EncoderOptions } from "../hpack/encoder.ts";
import { FrameWriter } from "../sending/frame_writer.ts";
import type { Header } from "../frames/header.ts";
import type { Limits } from "../frames/limits.ts";
import { FloodLimits } from "../guards/flood_limits.ts";
import { Pings } from "../guards/pings.ts";
import { BufferPool } from "../frames/pool.ts";
import { Receiver } from "./receiver.ts";
import type { ConnectionEvents, ReceiverHost } from "./receiver_host.ts";
import { RoundTrip } from "../guards/round_trip.ts";
import { SendQueue } from "../sending/send_queue.ts";
import { INITIAL_SETTINGS, type Settings } from "../frames/settings.ts";
import { StreamFaults } from "../streams/stream_faults.ts";
import { type StreamHost, StreamState } from "../streams/stream_state.ts";
import { StreamTable } from "../streams/stream_table.ts";
import { WindowGrowth } from "../streams/window_growth.ts";

const NOTHING = new Uint8Array(0);
/** Bytes that may be in flight on all streams together; less where the cap on buffers is smaller. */
const CONNECTION_WINDOW = 16 * 1024 * 1024;

export interface EngineOptions {
  /** Shared with other connections, as is its limit of unread bytes; one of its own by default. */
  readonly pool?: BufferPool;
  /** How headers are compressed. */
  readonly encoder?: EncoderOptions;
  /** The client's preface was sent already. */
  readonly prefaceSent?: boolean;
  /**
   * Without it the peer keeps to windows that another server has announced, and may send more than this end says. Then a stream
   * that sends while the buffers are full is reset. By default it is true.
   */
  readonly enforcesWindows?: boolean;
}

/** A connection's parts, put together. */
export class Engine implements StreamHost, ReceiverHost {
  readonly transport: Transport;
  readonly role: "client" | "server";
  /** The settings that this end announced. */
  readonly ours: Settings;
  readonly limits: Limits;
  readonly enforcesWindows: boolean;
  readonly events: ConnectionEvents;
  readonly pool: BufferPool;
  readonly queue: SendQueue;
  readonly writer: FrameWriter;
  readonly reader: FrameReader;
  readonly streams: StreamTable;
  readonly window: ConnectionWindow;
  readonly roundTrip = new RoundTrip();
  readonly pings: Pings;
  readonly floods: FloodLimits;
  readonly faults: StreamFaults;
  /** The settings that the peer announced. */
  peer: Settings = INITIAL_SETTINGS;
  /** When this end's SETTINGS were queued, as performance.now(). */
  settingsSent = 0;
  readonly #receiver: Receiver;
  readonly #prefaceSent: boolean;
  readonly #growth: WindowGrowth;

  constructor(
    transport: Transport,
    role: "client" | "server",
    ours: Settings,
    limits: Limits,
    events: ConnectionEvents,
    { pool = new BufferPool(), encoder, prefaceSent = false, enforcesWindows = true }: EngineOptions = {},
  ) {
    this.enforcesWindows = enforcesWindows;
    this.transport = transport;
    this.pool = pool;
    this.#prefaceSent = prefaceSent;
    this.role = role;
    this.ours = ours;
    this.limits = limits;
    this.events = events;
    this.queue = new SendQueue(transport, this.pool, (error) => events.broken(error));
    this.writer = new FrameWriter(this.queue, encoder);
    this.streams = new StreamTable(role);
    this.window = new ConnectionWindow(DEFAULT_WINDOW, CONNECTION_WINDOW, limits.buffered, pool);
    this.pings = new Pings(limits.pings, this.roundTrip, {
      send: (payload) => this.writer.ping(payload, false),
      heard: () => this.reader.reads,
    });
    this.floods = new FloodLimits(limits);
    this.faults = new StreamFaults(role, this.streams, this.writer, this.floods);
    this.#growth = new WindowGrowth(this.roundTrip, this.window, ours.initialWindowSize, limits.window);
    // These use all of the above.
    this.#receiver = new Receiver(this);
    const preface = role === "server" ? PREFACE : NOTHING;
    this.reader = new FrameReader(transport, this.pool, this.#receiver, ours.maxFrameSize, preface);
  }

  /** Sends the connection preface (RFC 9113 §3.4). */
  start(): void {
    if (this.role === "client" && !this.#prefaceSent) this.writer.preface();
    this.writer.settings(this.ours);
    this.settingsSent = performance.now();
    this.creditConnection();
  }

  /** The connection has ended: every stream breaks, and received bytes are discarded. */
  stop(error: Error): void {
    this.reader.discarding = true;
    this.#receiver.stop();
    for (const stream of [...this.streams.open.values()]) stream.broke(error);
    this.window.end();
    this.pings.fail(error);
  }

  /** Opens a stream. The caller has checked that it may. @throws TypeError for headers that can't be sent. */
  open(headers: readonly Header[], end: boolean): StreamState {
    const id = this.streams.next;
    this.writer.headers(id, headers, end);
    this.streams.next += 2;
    const stream = this.addStream(id, headers, -1);
    if (end) stream.outbox.endedWithHeaders();
    return stream;
  }

  /** Tells the peer to open no more streams; those that it opens before it has read that are still taken (RFC 9113 §6.8). */
  announceShutdown(): void {
    this.writer.goaway(MAX_STREAM_ID, ErrorCode.NO_ERROR, "");
  }

  sendGoaway(code: number, debug = ""): void {
    this.writer.goaway(Math.min(this.streams.lastPeerStream, this.streams.lastAccepted), code, debug);
  }

  // Requests of streams (StreamHost).

  taken(stream: StreamState, bytes: number, increment: number): void {
    this.window.release(bytes);
    if (increment > 0) this.#creditStream(stream, increment);
    else if (stream.inbox.buffered === 0 && this.streams.unread.size > 0) this.streams.unread.delete(stream);
    // This has an effect only where the cap on buffers held the credit back.
    this.creditConnection();
  }

  over(stream: StreamState, resetByUs: boolean): void {
    this.streams.close(stream, resetByUs);
    this.#growth.over(stream.inbox.window);
    if (this.streams.open.size === 0) this.events.idle();
  }

  /** Adds a stream that either end opened; `contentLength` is -1 where none was announced. */
  addStream(id: number, headers: readonly Header[], contentLength: number): StreamState {
    const windows = { receive: this.ours.initialWindowSize, send: this.peer.initialWindowSize };
    const stream = new StreamState(this, id, headers, windows, contentLength);
    this.streams.open.set(id, stream);
    return stream;
  }

  /** Announces more connection window once enough of it was used to be worth a frame. */
  creditConnection(): void {
    const increment = this.window.credit();
    if (increment > 0) this.writer.windowUpdate(0, increment);
  }

  #creditStream(stream: StreamState, increment: number): void {
    const now = performance.now();
    const growth = this.#growth.credited(stream.inbox.window, increment, now);
    this.writer.windowUpdate(stream.id, increment + growth);
    this.pings.measure(now);
  }
}
