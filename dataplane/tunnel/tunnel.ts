import { type Connection, type Header, KeptConnection, RedialDelay, type Stream } from "../../hbone/mod.ts";
import { follow, onAbort } from "../../async/abort.ts";
import { parseEndpoint } from "../../net/address.ts";
import { headers, UDP_PROTOCOL, udpPath } from "../../wire/streams.ts";
import type { DialTransport } from "./dial.ts";
import { brokenTunnel } from "./broken_tunnel.ts";
import { NoTunnel } from "./no_tunnel.ts";
import { NoUdp } from "./no_udp.ts";
import { connectTunnel } from "./connect_tunnel.ts";

/** Times are in milliseconds. */
export interface TunnelLimits {
  /** Connections and UDP flows that wait for a stream, and how long each of them waits. */
  readonly waiting: number;
  /** UDP flows among them: a program that sends one datagram to each of many ports leaves places to connections. */
  readonly waitingUdp: number;
  readonly longestWaitMs: number;
  /** HTTP/2 connections at the same time: each takes as many streams as the gateway admits. */
  readonly connections: number;
  readonly redial: { readonly firstMs: number; readonly maxMs: number };
  readonly pingEveryMs: number;
  readonly pingTimeoutMs: number;
}

const LIMITS: TunnelLimits = {
  waiting: 1_000,
  waitingUdp: 250,
  longestWaitMs: 15_000,
  connections: 16,
  redial: { firstMs: 100, maxMs: 5_000 },
  pingEveryMs: 5_000,
  pingTimeoutMs: 10_000,
};
/** Ping timeout after a network change, in milliseconds: a healthy tunnel answers well within it. */
const CHECK_TIMEOUT_MS = 1_500;
/** A connection that hasn't answered after this, or two of its round trips, is replaced, in milliseconds; it may still answer. */
const LATE_MS = 250;

/** What a Tunnel reports. `why` is for people. */
export interface TunnelEvents {
  /** A connection is there, the first one or a further one. */
  connected(): void;
  /** No connection is there, and one is being dialled, again or for the first time. */
  connecting(why: string): void;
  /** A connection ended with all its streams; others may be there. */
  ended(why: string): void;
}

/** Someone who waits for a stream. */
interface Waiting {
  take(connection: Connection): void;
  fail(error: Error): void;
}

/**
 * The tunnel to a cluster's gateway: an HTTP/2 connection that is dialled again whenever it is lost, and further ones
 * when the peer's limit of streams is reached. Meanwhile those who want a stream wait instead of failing.
 */
export class Tunnel implements AsyncDisposable {
  readonly #dial: DialTransport;
  readonly #events: TunnelEvents;
  readonly #limits: TunnelLimits;
  readonly #ending = new AbortController();
  readonly #connections = new Map<KeptConnection, Promise<void>>();
  /** Connections that have to show that they live before they get new streams, and whether their answer is late. */
  readonly #doubted = new Map<KeptConnection, "asked" | "late">();
  /** Connections to gateways that carry UDP. */
  readonly #udp = new WeakSet<Connection>();
  readonly #waiting = new Set<Waiting>();
  #waitingUdp = 0;
  readonly #loop: Promise<void>;
  /** Resolves when a connection may be wanted. */
  #changed = Promise.withResolvers<void>();
  /** Aborts the dial that is under way, and the pause before it. */
  #dialling = new AbortController();
  /** Whether a connection is being dialled, or is about to be after a pause. */
  #isDialling = false;
  #why = "first connection";
  readonly #redial: RedialDelay;
  /** The last round trip in milliseconds; null before the first. */
  roundTripMs: number | null = null;

  constructor(dial: DialTransport, events: TunnelEvents, limits: Partial<TunnelLimits> = {}) {
    this.#dial = dial;
    this.#events = events;
    this.#limits = { ...LIMITS, ...limits };
    this.#redial = new RedialDelay(this.#limits.redial);
    this.#loop = this.#keep();
  }

  /** Streams that are open now. */
  get openStreams(): number {
    return [...this.#connections.keys()].reduce((sum, { connection }) => sum + connection.streams, 0);
  }

  /**
   * Opens a CONNECT stream: at once when the tunnel is up, else as soon as it is, within 15 s.
   * @param options.flow the id of the flow that the stream is for
   * @param options.first bytes that travel with the request
   * @throws {NoTunnel} when the tunnel doesn't come up in time, or a thousand wait already
   */
  open(
    authority: string,
    { flow, first }: { readonly flow?: string; readonly first?: Uint8Array } = {},
  ): Stream | Promise<Stream> {
    const request: Header[] = [[":method", "CONNECT"], [":authority", authority]];
    if (flow !== undefined) request.push([headers.flow, flow]);
    const options = first === undefined ? {} : { first };
    return this.#open((connection) => connection.open(request, options));
  }

  /**
   * Opens a CONNECT-UDP stream, for a DatagramStream, as `open` does. Datagrams may be sent before the gateway has answered.
   * @param authority address and port: "10.96.0.10:53", "[fd00::a]:53"
   * @param options.signal ends the wait, since the flow was closed
   * @throws {TypeError} when that isn't an address and a port @throws {NoTunnel} as `open`, or when 250 flows wait already
   * @throws {NoUdp} when the gateway carries no UDP
   */
  openUdp(
    authority: string,
    { flow, signal }: { readonly flow?: string; readonly signal?: AbortSignal } = {},
  ): Stream | Promise<Stream> {
    const target = parseEndpoint(authority);
    if (target === undefined) {
      throw new TypeError(`${authority} is not a valid target: expected ADDRESS:PORT`);
    }
    const request: Header[] = [
      [":method", "CONNECT"],
      [":protocol", UDP_PROTOCOL],
      [":scheme", "https"],
      [":path", udpPath(target.address.text, target.port)],
      [":authority", authority],
      [headers.capsuleProtocol, "?1"],
    ];
    if (flow !== undefined) request.push([headers.flow, flow]);
    const open = (connection: Connection) => {
      if (!this.#udp.has(connection)) throw new NoUdp();
      return connection.open(request);
    };
    const free = this.#free();
    return free ? open(free) : this.#waitUdp(open, signal);
  }

  /** Opens a stream on a connection that takes one, now or as soon as there is one. */
  #open(open: (connection: Connection) => Stream): Stream | Promise<Stream> {
    const free = this.#free();
    return free ? open(free) : this.#wait(open);
  }

  async #waitUdp(open: (connection: Connection) => Stream, signal?: AbortSignal): Promise<Stream> {
    const { waitingUdp } = this.#limits;
    if (this.#waitingUdp >= waitingUdp) {
      throw new NoTunnel(`${waitingUdp} UDP flows wait for the tunnel already`);
    }
    this.#waitingUdp++;
    try {
      return await this.#wait(open, signal);
    } finally {
      this.#waitingUdp--;
    }
  }

  /**
   * Looks at once whether the connections live, since the network has changed or the laptop slept. Until one has answered it gets no
   * new streams; where none answers soon, another is dialled next to them. A dial that is under way begins again, by the new path.
   */
  check(): void {
    this.#redial.succeeded();
    this.#dialling.abort(new DOMException("the network has changed", "AbortError"));
    for (const kept of this.#connections.keys()) if (!this.#doubted.has(kept)) void this.#doubt(kept);
  }

  async #doubt(kept: KeptConnection): Promise<void> {
    this.#doubted.set(kept, "asked");
    const late = setTimeout(() => {
      this.#doubted.set(kept, "late");
      this.#change();
    }, Math.max(LATE_MS, 2 * (this.roundTripMs ?? 0)));
    await kept.check(CHECK_TIMEOUT_MS);
    clearTimeout(late);
    this.#doubted.delete(kept); // one that hasn't answered accepts no streams any longer
    this.#change();
  }

  #free(): Connection | undefined {
    for (const kept of this.#connections.keys()) {
      if (kept.connection.accepting && !this.#doubted.has(kept)) return kept.connection;
    }
    return undefined;
  }

  #wait(open: (connection: Connection) => Stream, signal?: AbortSignal): Promise<Stream> {
    const { waiting, longestWaitMs } = this.#limits;
    if (this.#ending.signal.aborted) return Promise.reject(disconnected());
    if (this.#waiting.size >= waiting) {
      return Promise.reject(new NoTunnel(`${waiting} connections wait for the tunnel already`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Stream>();
    const leave = () => one.fail(new NoTunnel("its program has closed it before the tunnel was there"));
    const over = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", leave);
      this.#waiting.delete(one);
    };
    const one: Waiting = {
      take(connection) {
        over();
        try {
          resolve(open(connection));
        } catch (error) {
          reject(error);
        }
      },
      fail(error) {
        over();
        reject(error);
      },
    };
    const timer = setTimeout(
      () => one.fail(new NoTunnel(`the tunnel was not there within ${longestWaitMs / 1000} s: ${this.#why}`)),
      longestWaitMs,
    );
    signal?.addEventListener("abort", leave);
    this.#waiting.add(one);
    this.#change();
    return promise;
  }

  /** Gives streams to those who wait, the longest waiting first, as long as connections take more. */
  #serve(): void {
    for (const one of [...this.#waiting]) {
      const free = this.#free();
      if (!free) return;
      one.take(free);
    }
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** True when there is no connection that can be counted on, or none that takes the streams that are waited for. */
  get #wanting(): boolean {
    if (this.#connections.size >= this.#limits.connections) return false;
    const doubts = [...this.#connections.keys()].map((kept) => this.#doubted.get(kept));
    if (doubts.every((doubt) => doubt === "late")) return true;
    return this.#waiting.size > 0 && !doubts.includes("asked");
  }

  /** Dials whenever a connection is wanted, until the tunnel ends. */
  async #keep(): Promise<void> {
    const { signal } = this.#ending;
    const { pingTimeoutMs: timeoutMs } = this.#limits;
    while (!signal.aborted) {
      this.#serve();
      this.#isDialling = false;
      if (!this.#wanting) {
        await this.#changed.promise;
        continue;
      }
      if (this.#connections.size === 0) this.#events.connecting(this.#why);
      this.#isDialling = true;
      const dialling = this.#dialling = new AbortController();
      using _following = follow(signal, dialling);
      if (this.#redial.failures > 0) {
        await this.#redial.wait(dialling.signal);
        if (dialling.signal.aborted) continue;
      }
      try {
        const { connection, roundTripMs, carriesUdp } = await connectTunnel(this.#dial, {
          signal: dialling.signal,
          timeoutMs,
        });
        this.#dialling = new AbortController(); // the transport may listen to the one before for as long as it lives
        this.roundTripMs = roundTripMs;
        if (carriesUdp) this.#udp.add(connection);
        this.#events.connected();
        this.#watch(connection);
      } catch (error) {
        if (dialling.signal.aborted) continue;
        this.#why = error instanceof Error ? error.message : String(error);
        this.#redial.failed();
      }
    }
  }

  /** Keeps a connection until it closes. */
  #watch(connection: Connection): void {
    const { pingEveryMs: everyMs, pingTimeoutMs: timeoutMs } = this.#limits;
    const onAnswer = (roundTripMs: number) => {
      this.roundTripMs = roundTripMs;
      if (kept.stable) this.#redial.succeeded();
    };
    const kept = new KeptConnection(connection, { everyMs, timeoutMs, onAnswer });
    const stopping = onAbort(this.#ending.signal, () => connection.abort(undefined, disconnected()));
    connection.closed.then(() => stopping[Symbol.dispose]());
    this.#connections.set(kept, this.#closed(kept));
  }

  async #closed(kept: KeptConnection): Promise<void> {
    const { error } = await kept.closed;
    if (!kept.stable) this.#redial.failed();
    this.#connections.delete(kept);
    this.#why = error ? brokenTunnel(error, "gateway") : "the gateway closed the tunnel";
    if (!this.#ending.signal.aborted) {
      this.#events.ended(error?.message ?? this.#why);
      // The dial may have begun next to this connection, and wait for a gateway.
      if (this.#isDialling && this.#connections.size === 0) this.#events.connecting(this.#why);
    }
    this.#change();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(disconnected());
    this.#change();
    for (const one of [...this.#waiting]) one.fail(disconnected());
    await this.#loop;
    await Promise.all([...this.#connections].flatMap(([{ connection }, closed]) => [
      connection[Symbol.asyncDispose](),
      closed,
    ]));
  }
}

function disconnected(): NoTunnel {
  return new NoTunnel("the cluster is disconnected");
}
