import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Buffer } from "node:buffer";
import type { ApiServerAccess } from "./access.ts";
import { connected, isAddress, throughProxy } from "./proxy.ts";
import { onAbort, unlessAborted } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";

/** The part of `Deno.Conn` that is used here. */
export interface Connection {
  /** @throws when the connection broke. */
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
  /** Has a read that waits wake up when so many bytes are there, 1 being as usual; only of a connection that is open. */
  wakeAt?(bytes: number): void;
}

/** What is done to a connection of Deno's TLS before it's used, by whom may call the system. */
export type Prepare = (connection: Deno.TlsConn) => Prepared | undefined;

/** What Deno's TLS has no call for. It has no setNoDelay either, without which a small write that follows another waits up to 40 ms. */
export interface Prepared {
  readonly wakeAt?: Connection["wakeAt"];
  /**
   * Ends the TCP connection below. Deno's TLS goes on by itself after its close, until the handshake is over: with a peer that takes
   * connections and says nothing, for good. Not for later: what was written may still be on its way out.
   */
  readonly shutDown?: () => void;
}

const TIMEOUT_MS = 20_000;

/**
 * True where Deno's own TLS can't do what is asked: leave the certificate unchecked, check it against another name, or
 * send a client certificate through a proxy's tunnel (`Deno.startTls` sends none). node:tls can, a little slower.
 */
export function needsNode(access: ApiServerAccess): boolean {
  return access.proxyUrl !== undefined ||
    (access.tls && (access.insecure || access.servername !== undefined));
}

/**
 * Opens a connection to the API server, with TLS where it has it (HTTP/1.1 only), through its proxy if there is one. Small writes go out at
 * once, but for one case: with a client certificate that needs `prepare`.
 *
 * @throws when it can't be had within 20 s, or `signal` was aborted.
 */
export async function dial(
  access: ApiServerAccess,
  signal?: AbortSignal,
  prepare?: Prepare,
): Promise<Connection> {
  signal?.throwIfAborted();
  if (needsNode(access)) return new NodeConnection(await dialSocket(access, signal));
  return await inTime<Connection>(
    (ending) => access.tls ? connectDenoTls(access, ending, prepare) : connectDeno(access, ending),
    (late) => late.close(),
    signal,
  );
}

async function connectDeno({ hostname, port }: ApiServerAccess, signal: AbortSignal): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port, signal });
  conn.setNoDelay();
  return conn;
}

async function connectDenoTls(
  access: ApiServerAccess,
  signal: AbortSignal,
  prepare?: Prepare,
): Promise<Connection> {
  const { hostname, port, cert, key } = access;
  const options = { hostname, caCerts: [...access.caCerts], alpnProtocols: ["http/1.1"] };
  // Deno.startTls sends no client certificate, Deno.connectTls lets nobody set TCP_NODELAY before. (node:tls could do both, at three
  // times the CPU for what comes in.)
  const conn = cert && key
    ? await Deno.connectTls({ ...options, port, cert, key })
    : await Deno.startTls(await connectDeno(access, signal), options);
  let prepared: Prepared | undefined;
  let open = true;
  const giveUp = () => {
    if (!open) return;
    open = false;
    prepared?.shutDown?.();
    conn.close();
  };
  try {
    prepared = prepare?.(conn);
    using _ending = onAbort(signal, giveUp);
    signal.throwIfAborted();
    await conn.handshake(); // here, so that a bad certificate is told as such and not by the first read
    signal.throwIfAborted();
  } catch (error) {
    giveUp();
    throw error;
  }
  const wakeAt = prepared?.wakeAt;
  if (!wakeAt) return conn;
  return {
    read: (into) => conn.read(into),
    write: (bytes) => conn.write(bytes),
    close: () => conn.close(),
    wakeAt,
  };
}

/** The same by node's sockets; see {@linkcode needsNode}. */
export async function dialSocket(access: ApiServerAccess, signal?: AbortSignal): Promise<Socket> {
  const socket = await inTime((ending) => openSocket(access, ending), (late) => late.destroy(), signal);
  socket.setNoDelay(true);
  return socket;
}

async function openSocket(access: ApiServerAccess, signal: AbortSignal): Promise<Socket> {
  const plain = access.proxyUrl
    ? await throughProxy(new URL(access.proxyUrl), access, signal)
    : await connected(connectNet({ host: access.hostname, port: access.port }), "connect", signal);
  if (!access.tls) return plain;
  const name = access.servername ?? access.hostname;
  const { insecure, caCerts, cert, key } = access;
  return await connected(
    connectTls({
      socket: plain,
      host: name,
      ...(isAddress(name) ? {} : { servername: name }),
      ...(caCerts.length ? { ca: [...caCerts] } : {}),
      ...(cert && key ? { cert, key } : {}),
      rejectUnauthorized: !insecure,
      ALPNProtocols: ["http/1.1"],
    }),
    "secureConnect",
    signal,
  );
}

/**
 * Opens a connection within the time limit. When the time is up or `signal` aborts, `open` is told so by the signal that it is given; a
 * connection that it opens after all is closed.
 */
async function inTime<T>(
  open: (signal: AbortSignal) => Promise<T>,
  close: (late: T) => void,
  signal?: AbortSignal,
): Promise<T> {
  using limit = new TimeLimit(TIMEOUT_MS, signal);
  const opening = open(limit.signal);
  try {
    return await unlessAborted(opening, limit.signal);
  } catch (error) {
    opening.then(close, () => {});
    throw error;
  }
}

/** A node socket with Deno's face. One read at a time. */
class NodeConnection implements Connection {
  readonly #socket: Socket;
  #failed: Error | undefined;
  #wake = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    const wake = () => this.#wake();
    socket.on("readable", wake).on("end", wake).on("close", wake);
    socket.on("error", (error) => {
      this.#failed = error;
      wake();
    });
  }

  async read(into: Uint8Array): Promise<number | null> {
    for (;;) {
      const bytes: Buffer | null = this.#socket.read(Math.min(into.length, this.#socket.readableLength || 1));
      if (bytes) {
        into.set(bytes);
        return bytes.length;
      }
      if (this.#failed) throw this.#failed;
      if (this.#socket.readableEnded) return null;
      if (this.#socket.destroyed) throw new Deno.errors.Interrupted("the connection was closed");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
