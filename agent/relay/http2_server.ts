/** Hot path: promises and objects for each stream, none for each frame. */
import { Deadlines } from "../../async/deadlines.ts";
import {
  type BufferPool,
  Connection,
  type ConnectionEnd,
  type ConnectionOptions,
  ErrorCode,
  forward,
  type Limits,
  type Stream,
} from "../../hbone/mod.ts";
import type { AbortableTransport } from "../../net/transport.ts";

/** Milliseconds that a server has to announce its settings, or up to 100 more. */
const SETTINGS_MS = 10_000;
const deadlines = new Deadlines();

/** Limits of both ends: of what a caller may ask, and of what a server may answer. */
export const MESSAGE_LIMITS = {
  headerBlock: 64 * 1024,
  headerList: 64 * 1024,
  headerCount: 256,
  // gRPC measures a connection by PINGs, one in each round trip.
  idleFrames: 20_000,
  idleFramesPerSecond: 10_000,
} satisfies Partial<Limits>;

/** Bytes of a stream's window at first. A caller may have sent as much before it has read a smaller number. */
export const WINDOW = 65_535;
/**
 * Bytes that a connection may have received and not sent on. Half of it is for streams that grow, the other half holds a window
 * of each of the 512 streams (http2_session.ts): no number of unread streams holds up another one.
 */
export const MOST_BUFFERED = 64 * 1024 * 1024;

const SERVER_LIMITS: Partial<Limits> = {
  ...MESSAGE_LIMITS,
  buffered: MOST_BUFFERED,
  window: 8 * 1024 * 1024,
};

/** Why a server gets no stream. `declined`: somebody else may have it. */
export class Unreachable extends Error {
  override name = "Unreachable";
  readonly isDeclined: boolean;
  readonly code: ErrorCode;

  constructor(message: string, options: { declined?: boolean; code?: ErrorCode } = {}) {
    super(message);
    this.isDeclined = options.declined ?? false;
    this.code = options.code ?? ErrorCode.REFUSED_STREAM;
  }
}

/** What of a connection its server is to know. */
export type ConnectionEvents = Required<Pick<ConnectionOptions, "onGoaway" | "onSettings" | "onEnd">>;

export interface Http2ServerOptions {
  /** Connects to it. @throws {Unreachable} */
  readonly dial: (events: ConnectionEvents) => Promise<Connection>;
  /** A stream has got to it, or won't. */
  readonly onForwarded: () => void;
  readonly onUnreachable: (stream: Stream, why: Unreachable) => void;
  /** It takes no more streams; `end`: its connection ends, and what it has breaks. */
  readonly onLeaving: (server: Http2Server, end?: ConnectionEnd) => void;
}

/** A connection to a server that speaks HTTP/2, for streams of one caller. */
export class Http2Server {
  /** Rejects (Unreachable) when it can't be connected to; such a rejection needn't be caught. */
  readonly connected: Promise<Connection>;
  /** Settles when nothing of it is left. */
  readonly closed: Promise<void>;
  readonly #options: Http2ServerOptions;
  #connection: Connection | undefined;
  /** Streams that wait until it is connected, or takes another one. */
  readonly #waiting = new Set<Stream>();
  #saidGoaway = false;
  #isLeaving = false;

  constructor(options: Http2ServerOptions) {
    this.#options = options;
    this.connected = options.dial({
      onSettings: () => this.#proceed(),
      onGoaway: (code) => {
        this.#saidGoaway = true;
        if (!this.#connection) return;
        if (code === ErrorCode.NO_ERROR) options.onLeaving(this);
        else this.leave(); // its end, which follows, says more
      },
      onEnd: (end) => {
        if (this.#connection) options.onLeaving(this, end);
      },
    });
    this.closed = this.#run();
  }

  /** Whether it gets further streams. */
  get takes(): boolean {
    return !this.#isLeaving;
  }

  /** Streams that it has, or that wait for it. */
  get streams(): number {
    return this.#waiting.size + (this.#connection?.streams ?? 0);
  }

  take(stream: Stream): void {
    if (this.#waiting.size === 0 && this.#connection?.accepting) {
      return this.#forward(this.#connection, stream);
    }
    this.#waiting.add(stream);
    stream.closed.then(() => this.#waiting.delete(stream)); // its caller may give up
  }

  /** It gets no further streams, and is closed when those that it has come to their end. */
  leave(why: Unreachable = new Unreachable("the server takes no more streams")): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    for (const stream of this.#waiting) this.#options.onUnreachable(stream, why);
    this.#waiting.clear();
    this.#connection?.drain();
  }

  /** Breaks what it still has. */
  async end(): Promise<void> {
    this.leave();
    await this.#connection?.[Symbol.asyncDispose]();
  }

  /** There may be room for streams that wait. */
  readonly #proceed = (): void => {
    for (const stream of this.#waiting) {
      if (!this.#connection?.accepting) return;
      this.#waiting.delete(stream);
      this.#forward(this.#connection, stream);
    }
  };

  #forward(connection: Connection, stream: Stream): void {
    try {
      const opened = forward(stream, connection);
      this.#options.onForwarded();
      opened.closed.then(this.#proceed);
    } catch (error) {
      this.#options.onUnreachable(stream, new Unreachable(messageOf(error)));
    }
  }

  async #run(): Promise<void> {
    try {
      const connection = this.#connection = await this.connected;
      if (this.#isLeaving) connection.drain();
      else if (this.#saidGoaway) this.#options.onLeaving(this);
      this.#proceed();
      await connection.closed;
      this.leave();
    } catch (error) {
      this.leave(error instanceof Unreachable ? error : new Unreachable(messageOf(error)));
    }
  }
}

/** An HTTP/2 connection to a server, as a client. */
export function clientOf(
  transport: AbortableTransport,
  pool: BufferPool,
  options: ConnectionEvents & { readonly prefaceSent?: boolean },
): Connection {
  return new Connection(transport, {
    role: "client",
    limits: SERVER_LIMITS,
    settings: { initialWindowSize: WINDOW },
    // What is secret in a message is for those to say who wrote it.
    encoder: { secret: new Set() },
    pool,
    ...options,
  });
}

/** Waits for a server's settings. @throws {Unreachable} when it doesn't speak HTTP/2. */
export async function settled(connection: Connection): Promise<Connection> {
  const came = deadlines.add(SETTINGS_MS, () => connection.abort());
  try {
    await connection.ready;
    return connection;
  } catch (error) {
    const message = `the program doesn't speak HTTP/2: ${messageOf(error)}`;
    throw new Unreachable(message, { code: ErrorCode.HTTP_1_1_REQUIRED });
  } finally {
    came();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
