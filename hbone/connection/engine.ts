/**
 * What a connection is made of, and what streams ask of it. What the peer's frames do is in receiver.ts and
 * control_frames.ts, beginning and end in connection.ts.
 */
import type { Transport } from "../../net/transport.ts";
import type { ErrorCode } from "../frames/errors.ts";
import { ConnectionWindow } from "../streams/flow_control.ts";
import { DEFAULT_WINDOW, PREFACE } from "../frames/frame.ts";
import { FrameReader } from "../frames/frame_reader.ts";
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
/** Bytes that the peer may have on the way over all streams; less where the cap on buffers is less. */
const CONNECTION_WINDOW = 16 * 1024 * 1024;

/** A connection's parts, put together. */
export class Engine implements StreamHost, ReceiverHost {
  readonly transport: Transport;
  readonly role: "client" | "server";
  /** What this end said of itself. */
  readonly ours: Settings;
  readonly limits: Limits;
  readonly events: ConnectionEvents;
  readonly pool = new BufferPool();
  readonly queue: SendQueue;
  readonly writer: FrameWriter;
  readonly reader: FrameReader;
  readonly streams: StreamTable;
  readonly window: ConnectionWindow;
  readonly roundTrip = new RoundTrip();
  readonly pings: Pings;
  readonly floods: FloodLimits;
  readonly faults: StreamFaults;
  /** What the peer said of itself. */
  peer: Settings = INITIAL_SETTINGS;
  /** When our SETTINGS went, in milliseconds. */
  settingsSent = 0;
  readonly #receiver: Receiver;
  readonly #growth: WindowGrowth;

  constructor(
    transport: Transport,
    role: "client" | "server",
    ours: Settings,
    limits: Limits,
    events: ConnectionEvents,
  ) {
    this.transport = transport;
    this.role = role;
    this.ours = ours;
    this.limits = limits;
    this.events = events;
    this.queue = new SendQueue(transport, this.pool, (error) => events.broken(error));
    this.writer = new FrameWriter(this.queue);
    this.streams = new StreamTable(role);
    this.window = new ConnectionWindow(DEFAULT_WINDOW, CONNECTION_WINDOW, limits.buffered);
    this.pings = new Pings(limits.pings, this.roundTrip, {
      send: (payload) => this.writer.ping(payload, false),
      heard: () => this.reader.reads,
    });
    this.floods = new FloodLimits(limits);
    this.faults = new StreamFaults(role, this.streams, this.writer, this.floods);
    this.#growth = new WindowGrowth(this.roundTrip, this.window, ours.initialWindowSize, limits.window);
    // Made of all of the above.
    this.#receiver = new Receiver(this);
    const preface = role === "server" ? PREFACE : NOTHING;
    this.reader = new FrameReader(transport, this.pool, this.#receiver, ours.maxFrameSize, preface);
  }

  /** Sends what comes before everything else (RFC 9113 §3.4). */
  start(): void {
    if (this.role === "client") this.writer.preface();
    this.writer.settings(this.ours);
    this.settingsSent = performance.now();
    this.creditConnection();
  }

  /** The connection is over: every stream breaks, what comes is thrown away. */
  stop(error: Error): void {
    this.reader.discarding = true;
    this.#receiver.stop();
    for (const stream of [...this.streams.open.values()]) stream.broke(error);
    this.pings.fail(error);
  }

  /** Opens a stream; the caller has checked that it may. @throws TypeError for headers that can't be sent. */
  open(headers: readonly Header[], end: boolean): StreamState {
    const id = this.streams.next;
    this.writer.headers(id, headers, end);
    this.streams.next += 2;
    const stream = this.addStream(id, headers, -1);
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
    this.creditConnection();
  }

  over(stream: StreamState, resetByUs: boolean): void {
    this.streams.close(stream, resetByUs);
    this.#growth.over(stream.inbox.window);
    if (this.streams.open.size === 0) this.events.idle();
  }

  /** A stream begins, opened by either end; `contentLength` is -1 where none was said. */
  addStream(id: number, headers: readonly Header[], contentLength: number): StreamState {
    const windows = { receive: this.ours.initialWindowSize, send: this.peer.initialWindowSize };
    const stream = new StreamState(this, id, headers, windows, contentLength);
    this.streams.open.set(id, stream);
    return stream;
  }

  /** Announces what the connection may take beside, if it is enough to be said. */
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
