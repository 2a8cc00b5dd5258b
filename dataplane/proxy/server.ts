/**
 * The proxy, which needs no root: SOCKS5 and HTTP on one port of loopback, told apart by the first byte, for one user's programs.
 * It reaches only the cluster's names and addresses. A connection's life: accept -> owner -> opening (socks5.ts, http.ts) -> stream
 * -> relay.
 */
import { onAbort } from "../../async/abort.ts";
import { acceptAll } from "../../ffi/sockets/accept.ts";
import { TcpConnection } from "../../ffi/sockets/tcp_connection.ts";
import { relay } from "../../hbone/mod.ts";
import { parseAddress } from "../../net/address.ts";
import { ByteReader } from "../../http/byte_reader.ts";
import { CoarseTimers } from "./coarse_timers.ts";
import { acceptHttp } from "./http.ts";
import type { IsOurs } from "./http_request.ts";
import { IdleConnections, type IdleLimits } from "./idle_connections.ts";
import { acceptSocks, type Association, type SocksOpened } from "./socks5.ts";
import type { OpenTarget, OpenTargetFor } from "./target.ts";
import type { AnswerFailed } from "./upstream.ts";
import { closeQuietly } from "../../net/close_quietly.ts";

/** Clients' connections at a time, the relayed ones included. */
const MOST_CONNECTIONS = 1_024;
/** Connections whose account isn't known yet; the next one is accepted when there is room. */
const MOST_ARRIVING = 128;
/** From a client's connection to the end of its opening, or of its first request's head. */
const OPENING_MS = 10_000;
/** How long a client's connection may wait for its next request. */
const IDLE_MS = 60_000;
/** From the end of what the client is told to the end of what it says. */
const LAST_WORDS_MS = 1_000;
const LETTER = /^[A-Z]$/;

export interface ProxyOptions {
  /** A loopback address. */
  readonly hostname: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Whether a connection comes from an account that may use the proxy. */
  readonly allow: (conn: Deno.TcpConn) => Promise<boolean>;
  readonly open: OpenTargetFor;
  /** Makes what a client sends its datagrams to (SOCKS5 UDP ASSOCIATE). @throws where there can be none now */
  readonly associate: (conn: Deno.TcpConn) => Association;
  /** Whether a host is in the cluster: a browser's pages from elsewhere may not call into it through the proxy. */
  readonly isOurs: IsOurs;
  readonly signal: AbortSignal;
  /** A target did not answer as it should, though its connection may look sound. Called before that is closed. */
  readonly answerFailed?: AnswerFailed;
  readonly limits?: IdleLimits & {
    readonly connections?: number;
    readonly openingMs?: number;
    readonly idleMs?: number;
  };
}

export interface ProxyServer extends AsyncDisposable {
  readonly hostname: string;
  readonly port: number;
  /** Connections of clients that are open. */
  readonly connections: number;
  /** Connections to targets that wait for their client's next request. */
  readonly idle: number;
}

/**
 * Serves until `signal`, or until it is disposed of; both break all connections off.
 * @throws {TypeError} when `hostname` isn't loopback. @throws {Deno.errors.AddrInUse} when the port is taken.
 */
export function serveProxy(options: ProxyOptions): ProxyServer {
  const address = parseAddress(options.hostname);
  const isLoopback = address?.family === 4 ? address.bytes[12] === 127 : address?.text === "::1";
  if (!isLoopback) {
    throw new TypeError(`the proxy is for this machine only: ${options.hostname} is not its loopback`);
  }
  return new Proxy(options, Deno.listen({ hostname: options.hostname, port: options.port }));
}

class Proxy implements ProxyServer {
  readonly #options: ProxyOptions;
  readonly #listener: Deno.TcpListener;
  readonly #stop = new AbortController();
  readonly #open = new Map<TcpConnection, Promise<void>>();
  /** Those of accounts that are allowed: other accounts' take no places. */
  readonly #clients = new Set<TcpConnection>();
  #room = Promise.withResolvers<void>();
  readonly #timers = new CoarseTimers();
  readonly #idle: IdleConnections;
  readonly #accepting: Promise<void>;

  constructor(options: ProxyOptions, listener: Deno.TcpListener) {
    this.#options = options;
    this.#listener = listener;
    this.#idle = new IdleConnections(this.#timers, options.limits);
    options.signal.addEventListener("abort", this.#end);
    this.#accepting = acceptAll(listener, (conn) => this.#take(conn));
    if (options.signal.aborted) this.#end();
  }

  get hostname(): string {
    return this.#listener.addr.hostname;
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  get connections(): number {
    return this.#open.size;
  }

  get idle(): number {
    return this.#idle.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.#accepting;
    await Promise.all(this.#open.values());
  }

  readonly #end = (): void => {
    if (this.#stop.signal.aborted) return;
    this.#options.signal.removeEventListener("abort", this.#end);
    this.#stop.abort(new Error("the proxy was closed"));
    closeQuietly(this.#listener);
    for (const client of this.#open.keys()) client.close();
  };

  #take(conn: Deno.TcpConn): void | Promise<void> {
    if (this.#stop.signal.aborted) return closeQuietly(conn);
    const client = new TcpConnection(conn);
    const done = this.#serve(conn, client).catch(() => {
      // The client is gone, or its answer broke off: a reset, so that it takes nothing for an end.
      client.abort();
    }).finally(() => {
      client.close();
      this.#open.delete(client);
      this.#clients.delete(client);
      this.#makeRoom();
    });
    this.#open.set(client, done);
    if (this.#open.size - this.#clients.size >= MOST_ARRIVING) return this.#room.promise;
  }

  #makeRoom(): void {
    this.#room.resolve();
    this.#room = Promise.withResolvers();
  }

  async #serve(conn: Deno.TcpConn, client: TcpConnection): Promise<void> {
    if (!await this.#options.allow(conn)) return;
    if (this.#clients.size >= (this.#options.limits?.connections ?? MOST_CONNECTIONS)) return;
    this.#clients.add(client);
    this.#makeRoom();
    conn.setNoDelay(true);
    const opened = await this.#opening(conn, client);
    if (!opened) return await this.#lastWords(client);
    if ("association" in opened) return await this.#hold(client, opened.association);
    const { transport } = opened;
    using _stopping = onAbort(this.#stop.signal, () => transport.abort());
    await relay(client, transport);
  }

  async #opening(conn: Deno.TcpConn, client: TcpConnection): Promise<SocksOpened | undefined> {
    const { isOurs, answerFailed = () => {}, limits } = this.#options;
    const open: OpenTarget = (...target) => this.#options.open(conn, ...target);
    const { signal } = this.#stop;
    const reader = new ByteReader(client);
    using limit = this.#timers.add(() => client.close());
    const openingMs = limits?.openingMs ?? OPENING_MS;
    limit.start(openingMs);
    if (!await reader.more()) return undefined;
    const first = reader.buffered[0] ?? 0;
    if (first === 5 || first === 4) {
      // The target may take longer than the client's words: `open` has a limit of its own.
      const opening: OpenTarget = (...target) => (limit.stop(), open(...target));
      const parts = { open: opening, associate: () => this.#options.associate(conn) };
      return await acceptSocks(reader, client, parts, signal);
    }
    if (!LETTER.test(String.fromCharCode(first))) return undefined;
    let requests = 0;
    const transport = await acceptHttp({
      reader,
      writer: client,
      open,
      signal,
      answerFailed,
      idle: this.#idle,
      isOurs,
      waiting: () => limit.start(requests++ === 0 ? openingMs : limits?.idleMs ?? IDLE_MS),
      begun: () => limit.stop(),
    });
    return transport && { transport };
  }

  /** Keeps an association for as long as its client's connection is open (RFC 1928 §7). */
  async #hold(client: TcpConnection, association: Association): Promise<void> {
    using _association = association;
    const sink = new Uint8Array(64);
    while (await client.read(sink) !== null);
  }

  /** Lets the client read what it was told: closing with bytes of its own unread would reset the connection. */
  async #lastWords(client: TcpConnection): Promise<void> {
    using limit = this.#timers.add(() => client.close());
    limit.start(LAST_WORDS_MS);
    await client.closeWrite();
    const sink = new Uint8Array(16 * 1024);
    for (let read = 0; read < 1 << 20;) {
      const count = await client.read(sink);
      if (count === null) return;
      read += count;
    }
  }
}
