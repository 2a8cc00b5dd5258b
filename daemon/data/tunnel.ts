import { Connection, type Header, type Stream } from "../../hbone/mod.ts";
import type { Transport } from "../../wire/transport.ts";
import { backoff, sleep } from "../../kube/backoff.ts";
import { follow } from "../../kube/signals.ts";

/** Of one tunnel: design's "Limits". */
const MOST_WAITING = 1_000;
const LONGEST_WAIT_MS = 15_000;
const REDIAL = { firstMs: 100, maxMs: 5_000 };
const PING_EVERY_MS = 5_000;
const PING_TIMEOUT_MS = 10_000;

/** There was no tunnel for a connection in time. */
export class NoTunnel extends Error {
  override name = "NoTunnel";
}

/** What a Tunnel tells of itself. */
export interface TunnelEvents {
  connected(): void;
  /** It's being dialled, again or for the first time; `why` for people. */
  connecting(why: string): void;
}

/**
 * The way out to one cluster: an HTTP/2 connection that comes back by itself whenever it's lost, and a further one
 * where the peer's limit of streams is reached. Connections that want a stream meanwhile wait instead of failing.
 */
export class Tunnel implements AsyncDisposable {
  readonly #dial: (signal: AbortSignal) => Promise<Transport>;
  readonly #events: TunnelEvents;
  readonly #ending = new AbortController();
  readonly #connections: Connection[] = [];
  readonly #waiting = new Set<(connection: Connection | Error) => void>();
  readonly #loop: Promise<void>;
  #extra: Promise<void> | undefined;
  /** The last round trip in milliseconds; null before the first. */
  roundTripMs: number | null = null;

  constructor(dial: (signal: AbortSignal) => Promise<Transport>, events: TunnelEvents) {
    this.#dial = dial;
    this.#events = events;
    this.#loop = this.#keep();
  }

  /** Streams that are open now. */
  get openStreams(): number {
    return this.#connections.reduce((sum, connection) => sum + connection.streams, 0);
  }

  /**
   * Opens a CONNECT stream, at once where the tunnel is up; or waits for it, at most 15 s. `first` travels with it.
   * @throws {NoTunnel} when it doesn't come, or a thousand wait already.
   */
  open(authority: string, first?: Uint8Array): Stream | Promise<Stream> {
    const headers: Header[] = [[":method", "CONNECT"], [":authority", authority]];
    const options = first === undefined ? {} : { first };
    const free = this.#free();
    if (free) return free.open(headers, options);
    return this.#connection().then((connection) => connection.open(headers, options));
  }

  #free(): Connection | undefined {
    const free = this.#connections.find((connection) => connection.accepting);
    if (!free && this.#connections.length > 0) this.#widen();
    return free;
  }

  /** Waits for a connection that takes a stream. */
  #connection(): Promise<Connection> {
    if (this.#ending.signal.aborted) return Promise.reject(new NoTunnel("the cluster is disconnected"));
    if (this.#waiting.size >= MOST_WAITING) {
      return Promise.reject(new NoTunnel(`${MOST_WAITING} connections wait for the tunnel already`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const settle = (outcome: Connection | Error) => {
      clearTimeout(timer);
      this.#waiting.delete(settle);
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const timer = setTimeout(
      () => settle(new NoTunnel("the tunnel was not there within 15 s")),
      LONGEST_WAIT_MS,
    );
    this.#waiting.add(settle);
    return promise;
  }

  /** Dials one more connection beside those that are full. */
  #widen(): void {
    this.#extra ??= this.#connect()
      .then((connection) => void this.#watch(connection), () => {}) // waiting connections have their time-out
      .finally(() => this.#extra = undefined);
  }

  /** Keeps one connection up until the tunnel ends. */
  async #keep(): Promise<void> {
    let failures = 0;
    const signal = this.#ending.signal;
    let why = "first connection";
    while (!signal.aborted) {
      this.#events.connecting(why);
      try {
        const connection = await this.#connect();
        failures = 0;
        this.#events.connected();
        why = await this.#watch(connection);
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
        await sleep(backoff(REDIAL, failures++), signal);
      }
    }
  }

  async #connect(): Promise<Connection> {
    const signal = this.#ending.signal;
    const transport = await this.#dial(signal);
    if (signal.aborted) {
      transport.close();
      throw new NoTunnel("the cluster is disconnected");
    }
    const connection = new Connection(transport, { role: "client" });
    try {
      // The gateway's half of the port-forward may be dead although the API server's half is not.
      this.roundTripMs = await connection.ping(PING_TIMEOUT_MS);
    } catch (error) {
      connection.abort();
      throw error;
    }
    this.#connections.push(connection);
    for (const settle of [...this.#waiting]) settle(connection);
    return connection;
  }

  /** Until the connection is over: pings it, so that a dead one is noticed; says why it ended. */
  async #watch(connection: Connection): Promise<string> {
    const over = new AbortController();
    const ended = connection.closed.then((end) => {
      over.abort();
      this.#connections.splice(this.#connections.indexOf(connection), 1);
      return end.kind === "broken"
        ? `the tunnel broke: ${end.error?.message ?? "no reason given"}`
        : "the agent closed the tunnel";
    });
    using _ending = follow(this.#ending.signal, over);
    while (!over.signal.aborted) {
      await sleep(PING_EVERY_MS, over.signal);
      if (over.signal.aborted) break;
      try {
        this.roundTripMs = await connection.ping(PING_TIMEOUT_MS);
      } catch {
        connection.abort();
      }
    }
    return await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    for (const settle of [...this.#waiting]) settle(new NoTunnel("the cluster is disconnected"));
    await Promise.all(this.#connections.map((connection) => connection[Symbol.asyncDispose]()));
    await this.#extra;
    await this.#loop;
  }
}
