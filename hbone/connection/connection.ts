import type { Transport } from "../../net/transport.ts";
import { closeTransport } from "./closing.ts";
import { Engine } from "./engine.ts";
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
 * How a connection ended: "clean" (no stream was cut off), "goaway" (the peer gave it up with `code`), "broken" (the
 * transport broke, the peer broke the rules, or abort(): `code` is then what was sent).
 */
export interface ConnectionEnd {
  readonly kind: "clean" | "goaway" | "broken";
  readonly code?: number;
  readonly error?: Error;
}

export interface ConnectionOptions {
  /** "client" opens streams, "server" gets them through onStream. */
  readonly role: "client" | "server";
  /** A stream was opened by the peer. Called while its frames are read: what throws here resets the stream. */
  readonly onStream?: (stream: Stream) => void;
  readonly limits?: Partial<Limits>;
  /** What is announced of this end instead of the defaults. */
  readonly settings?: Partial<Settings>;
}

/** An HTTP/2 connection (RFC 9113) over a transport, which it owns. */
export class Connection implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #onStream: ((stream: Stream) => void) | undefined;
  readonly #closed = Promise.withResolvers<ConnectionEnd>();
  readonly #reading: Promise<void>;
  #settingsTimer: ReturnType<typeof setTimeout> | undefined;
  /** Once set, nothing else changes how it ended. */
  #end: ConnectionEnd | undefined;
  #draining = false;
  #peerDrains = false;
  /** Nobody waits any more for what a drain has left on its way. */
  readonly #hurry = Promise.withResolvers<void>();
  #goaway: { code: number; debug: string } | undefined;

  constructor(transport: Transport, options: ConnectionOptions) {
    this.#transport = transport;
    this.#onStream = options.onStream;
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
        settingsAcknowledged: () => clearTimeout(this.#settingsTimer),
        broken: (error) => this.#finish({ kind: "broken", error }),
      },
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

  /** Settles when the transport is closed and nothing of the connection is left; never rejects. */
  get closed(): Promise<ConnectionEnd> {
    return this.#closed.promise;
  }

  /** Streams open now. */
  get streams(): number {
    return this.#engine.streams.open.size;
  }

  /** A stream can be opened now: the connection neither is over nor drains, and no limit is reached. */
  get accepting(): boolean {
    return this.#takesStreams && this.streams < this.#mostStreams;
  }

  /** Streams that the peer admits at once; Infinity until it says. */
  get peerMaxStreams(): number {
    return this.#engine.peer.maxConcurrentStreams;
  }

  /** The peer takes extended CONNECT (RFC 8441); this end always does as a server. */
  get enableConnectProtocol(): boolean {
    return this.#engine.peer.enableConnectProtocol;
  }

  /** Bytes that came on all streams and that nobody read yet. */
  get buffered(): number {
    return this.#engine.window.buffered;
  }

  /** Calls of the transport's write so far. */
  get writes(): number {
    return this.#engine.queue.writes;
  }

  /**
   * Opens a stream and sends its headers, with its first bytes in the same write.
   * @throws ConnectionClosed when the connection is over or drains: use another.
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
      // Whoever uses the stream hears of a break there.
      if (end) stream.outbox.end().catch(() => {});
    }
    return new Stream(stream);
  }

  /**
   * Asks the peer for a sign of life; the round trip in milliseconds.
   * @throws DOMException "TimeoutError" when nothing at all has come for `timeoutMs` milliseconds: on a slow link an answer may have to
   * wait behind much else. ConnectionClosed when the connection is over.
   */
  ping(timeoutMs: number): Promise<number> {
    if (this.#end !== undefined) return Promise.reject(closedError(this.#end));
    return this.#engine.pings.ping(timeoutMs);
  }

  /** Says GOAWAY: open streams go on to their end, new ones are refused, then the connection closes. */
  drain(): void {
    if (this.#draining || this.#end !== undefined) return;
    this.#draining = true;
    this.#engine.streams.lastAccepted = this.#engine.streams.lastPeerStream;
    this.#engine.sendGoaway(ErrorCode.NO_ERROR);
    this.#finishIfDrained();
  }

  /** Ends at once: streams that are open break, on both ends. */
  abort(code: ErrorCode = ErrorCode.CANCEL, reason?: Error): void {
    this.#hurry.resolve();
    this.#finish({
      kind: "broken",
      code,
      error: reason ?? new ConnectionClosed("the connection was aborted by this end"),
    }, code);
  }

  /** Closes: cleanly when no stream is open, else as abort(). */
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
      const error = new ConnectionClosed(`the peer closed the connection with ${open} streams open`);
      this.#finish({ kind: "broken", error });
    }
  }

  #peerGoesAway(code: number, debug: string): void {
    this.#peerDrains = true;
    // The last one counts: it can only say more.
    this.#goaway = { code, debug };
    // After this frame: streams above its limit are refused first.
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

  /** Ends it; `code` is said in a GOAWAY, where the transport may still carry one. */
  #finish(end: ConnectionEnd, code?: ErrorCode, debug?: string): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    clearTimeout(this.#settingsTimer);
    if (code !== undefined && !(this.#draining && code === ErrorCode.NO_ERROR)) {
      this.#engine.sendGoaway(code, debug);
    }
    const error = closedError(end);
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
    `the connection is over${why}`,
    end.error === undefined ? undefined : { cause: end.error },
  );
}
