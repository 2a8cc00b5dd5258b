import type { Transport } from "../../net/transport.ts";
import { closeTransport } from "./closing.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import {
  asError,
  ConnectionClosed,
  ConnectionError,
  ErrorCode,
  errorName,
  TooManyStreams,
} from "../frames/errors.ts";
import { MAX_STREAM_ID } from "../frames/frame.ts";
import type { Header } from "../frames/header.ts";
import { DEFAULT_LIMITS, type Limits } from "../frames/limits.ts";
import { announced, type Settings } from "../frames/settings.ts";
import { state, Stream } from "../streams/stream.ts";

/**
 * How a connection ended: "clean" (no stream was cut off), "goaway" (the peer ended it with `code`), or "broken" (the
 * transport broke, the peer violated the protocol, or abort() was called; `code` is what was sent to the peer).
 */
export interface ConnectionEnd {
  readonly kind: "clean" | "goaway" | "broken";
  readonly code?: number;
  readonly error?: Error;
}

export interface ConnectionOptions extends EngineOptions {
  /** "client" opens streams, "server" gets them through onStream. */
  readonly role: "client" | "server";
  /** Called when the peer opened a stream, while its frames are read. An error that it throws resets the stream. */
  readonly onStream?: (stream: Stream) => void;
  /** Called when the peer says that it takes no more streams, and why (GOAWAY). */
  readonly onGoaway?: (code: number) => void;
  /** Called when the peer has announced settings: it may take more streams, or less. */
  readonly onSettings?: () => void;
  /** Called when the connection ends, before the streams break that are open. */
  readonly onEnd?: (end: ConnectionEnd) => void;
  readonly limits?: Partial<Limits>;
  /** Settings to announce in place of the defaults. */
  readonly settings?: Partial<Settings>;
}

/** An HTTP/2 connection (RFC 9113) over a transport, which it owns. */
export class Connection implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #onStream: ((stream: Stream) => void) | undefined;
  readonly #onGoaway: ((code: number) => void) | undefined;
  readonly #onEnd: ((end: ConnectionEnd) => void) | undefined;
  readonly #ready = Promise.withResolvers<Readonly<Settings>>();
  readonly #closed = Promise.withResolvers<ConnectionEnd>();
  readonly #reading: Promise<void>;
  #settingsTimer: ReturnType<typeof setTimeout> | undefined;
  /** How it ended; never changes once it is set. */
  #end: ConnectionEnd | undefined;
  #draining = false;
  #peerDrains = false;
  /** Resolves when closing should not wait for bytes in flight. */
  readonly #hurry = Promise.withResolvers<void>();
  #goaway: { code: number; debug: string } | undefined;

  constructor(transport: Transport, options: ConnectionOptions) {
    this.#transport = transport;
    this.#onStream = options.onStream;
    this.#onGoaway = options.onGoaway;
    this.#onEnd = options.onEnd;
    // Awaiting it is optional.
    this.#ready.promise.catch(() => {});
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#engine = new Engine(
      transport,
      options.role,
      announced(options.role, this.#limits, options.settings),
      this.#limits,
      {
        opened: (stream) => this.#accept(new Stream(stream)),
        idle: () => this.#finishIfDrained(),
        goaway: (code, debug) => this.#peerGoesAway(code, debug),
        settingsCame: () => {
          this.#ready.resolve(this.#engine.peer);
          options.onSettings?.();
        },
        settingsAcknowledged: () => clearTimeout(this.#settingsTimer),
        broken: (error) => this.#finish({ kind: "broken", error }),
      },
      options,
    );
    this.#engine.start();
    this.#settingsTimer = setTimeout(() => {
      const seconds = this.#limits.settingsAckMs / 1000;
      this.#violated(
        new ConnectionError(ErrorCode.SETTINGS_TIMEOUT, `the peer was silent on SETTINGS for ${seconds} s`),
      );
    }, this.#limits.settingsAckMs);
    this.#reading = this.#read();
  }

  /** Resolves when the transport is closed and nothing of the connection is left; never rejects. */
  get closed(): Promise<ConnectionEnd> {
    return this.#closed.promise;
  }

  /** The peer's first settings; rejects (ConnectionClosed) when the connection ends before they come. */
  get ready(): Promise<Readonly<Settings>> {
    return this.#ready.promise;
  }

  /** Number of open streams. */
  get streams(): number {
    return this.#engine.streams.open.size;
  }

  /** Whether a stream can be opened now: the connection is open, doesn't drain, and is below its limits. */
  get accepting(): boolean {
    return this.#takesStreams && this.streams < this.#mostStreams;
  }

  /** The peer's limit of open streams; Infinity until it announces one. */
  get peerMaxStreams(): number {
    return this.#engine.peer.maxConcurrentStreams;
  }

  /** Whether the peer accepts extended CONNECT (RFC 8441). As a server, this end always does. */
  get enableConnectProtocol(): boolean {
    return this.#engine.peer.enableConnectProtocol;
  }

  /** Unread bytes of all streams. */
  get buffered(): number {
    return this.#engine.window.buffered;
  }

  /** Number of calls of the transport's write. */
  get writes(): number {
    return this.#engine.queue.writes;
  }

  /**
   * Opens a stream and sends its headers, with the first bytes in the same write.
   * @throws ConnectionClosed when the connection has ended or drains: use another one.
   * @throws TooManyStreams when this end's or the peer's limit is reached.
   * @throws TypeError in the server's role, or for headers that can't be sent.
   */
  open(headers: readonly Header[], options: { first?: Uint8Array; end?: boolean } = {}): Stream {
    const engine = this.#engine;
    if (engine.role === "server") throw new TypeError("only a client opens streams");
    if (this.#end !== undefined) throw closedError(this.#end);
    if (!this.#takesStreams) {
      throw new ConnectionClosed("the connection takes no more streams: open another");
    }
    const most = this.#mostStreams;
    if (engine.streams.open.size >= most) {
      throw new TooManyStreams(
        `${most} streams are open, as many as allowed: wait for one to end or open another connection`,
      );
    }
    const { first, end = false } = options;
    const hasFirst = first !== undefined && first.length > 0;
    const stream = engine.open(headers, end && !hasFirst);
    if (hasFirst) {
      stream.outbox.push(first);
      // The stream's user sees a failure in its own reads and writes.
      if (end) stream.outbox.end().catch(() => {});
    }
    return new Stream(stream);
  }

  /**
   * Sends a PING; resolves with the round trip in milliseconds.
   * @throws DOMException "TimeoutError" when nothing at all arrives for `timeoutMs` milliseconds (on a slow link the answer may wait
   * behind much data), ConnectionClosed when the connection has ended.
   */
  ping(timeoutMs: number): Promise<number> {
    if (this.#end !== undefined) return Promise.reject(closedError(this.#end));
    return this.#engine.pings.ping(timeoutMs);
  }

  /** Sends GOAWAY: open streams continue to their end, new ones are refused, then the connection closes. */
  drain(): void {
    if (this.#draining || this.#end !== undefined) return;
    this.#draining = true;
    this.#engine.streams.lastAccepted = this.#engine.streams.lastPeerStream;
    this.#engine.sendGoaway(ErrorCode.NO_ERROR);
    this.#finishIfDrained();
  }

  /**
   * Ends the connection so that no stream is lost: tells the peer first, and drains once it has read that. Streams that the peer
   * opens until then are taken (RFC 9113 §6.8).
   * @param withinMs milliseconds that the peer has to read it
   */
  async shutdown(withinMs: number): Promise<void> {
    if (this.#draining || this.#end !== undefined) return;
    this.#engine.announceShutdown();
    await this.ping(withinMs).catch(() => {});
    this.drain();
  }

  /** Ends the connection at once and breaks open streams on both ends. */
  abort(code: number = ErrorCode.CANCEL, reason?: Error): void {
    this.#hurry.resolve();
    this.#finish({
      kind: "broken",
      code,
      error: reason ?? new ConnectionClosed("the connection was aborted by this end"),
    }, code);
  }

  /** Closes in order if no stream is open, else as abort() does. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#hurry.resolve();
    if (this.streams === 0) this.drain();
    else this.abort(ErrorCode.NO_ERROR);
    await this.closed;
  }

  get #takesStreams(): boolean {
    const over = this.#end !== undefined || this.#draining || this.#peerDrains;
    return !over && this.#engine.role === "client" && this.#engine.streams.next <= MAX_STREAM_ID;
  }

  get #mostStreams(): number {
    return Math.min(this.#engine.peer.maxConcurrentStreams, this.#limits.streams);
  }

  #accept(stream: Stream): void {
    try {
      if (this.#onStream === undefined) stream.reset(ErrorCode.REFUSED_STREAM);
      else this.#onStream(stream);
    } catch (error) {
      stream[state].reset(ErrorCode.INTERNAL_ERROR, asError(error));
    }
  }

  async #read(): Promise<void> {
    try {
      await this.#engine.reader.run((thrown) => this.#violated(thrown));
      this.#transportEnded();
    } catch (error) {
      this.#finish({ kind: "broken", error: asError(error) });
    }
  }

  #violated(thrown: unknown): void {
    const error = asError(thrown);
    const code = error instanceof ConnectionError ? error.code : ErrorCode.INTERNAL_ERROR;
    this.#finish({ kind: "broken", code, error }, code, error.message);
  }

  #transportEnded(): void {
    const open = this.streams;
    if (this.#goaway !== undefined && this.#goaway.code !== ErrorCode.NO_ERROR) {
      this.#finish(this.#goawayEnd());
    } else if (open === 0) this.#finish({ kind: "clean" });
    else {
      const error = new ConnectionClosed(`the peer closed the connection with open streams: ${open}`);
      this.#finish({ kind: "broken", error });
    }
  }

  #peerGoesAway(code: number, debug: string): void {
    this.#peerDrains = true;
    // The last GOAWAY counts: it can only be more specific.
    this.#goaway = { code, debug };
    this.#onGoaway?.(code);
    // After this frame, so that streams above its limit are refused first.
    queueMicrotask(() => this.#finishIfDrained());
  }

  #goawayEnd(): ConnectionEnd {
    const { code, debug } = this.#goaway ?? { code: ErrorCode.NO_ERROR, debug: "" };
    if (code === ErrorCode.NO_ERROR) return { kind: "clean" };
    const said = debug === "" ? "" : `: ${JSON.stringify(debug)}`;
    const error = new ConnectionClosed(`the peer gave the connection up (${errorName(code)})${said}`);
    return { kind: "goaway", code, error };
  }

  #finishIfDrained(): void {
    if ((this.#draining || this.#peerDrains) && this.streams === 0) {
      this.#finish(this.#goawayEnd(), ErrorCode.NO_ERROR);
    }
  }

  /** Ends the connection; sends a GOAWAY with `code` if the transport may still carry one. */
  #finish(end: ConnectionEnd, code?: number, debug?: string): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#settingsTimer);
    if (code !== undefined && !(this.#draining && code === ErrorCode.NO_ERROR)) {
      this.#engine.sendGoaway(code, debug);
    }
    const error = closedError(end);
    this.#ready.reject(error);
    this.#onEnd?.(end);
    this.#engine.stop(error);
    const flush = code !== undefined || end.kind === "clean";
    const drained = end.kind === "clean" && (this.#draining || this.#peerDrains);
    const closing = { flush, drained, hurry: this.#hurry.promise, error };
    closeTransport(this.#transport, this.#engine.queue, this.#reading, closing)
      .then(() => this.#closed.resolve(end));
  }
}

function closedError(end: ConnectionEnd): Error {
  if (end.error instanceof ConnectionClosed) return end.error;
  const why = end.error === undefined ? "" : `: ${end.error.message}`;
  return new ConnectionClosed(
    `the connection has ended${why}`,
    end.error === undefined ? undefined : { cause: end.error },
  );
}
