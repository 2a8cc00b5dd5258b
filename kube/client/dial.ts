import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Buffer } from "node:buffer";
import type { ApiServerAccess } from "./access.ts";
import { connected, isAddress, throughProxy } from "./proxy.ts";
import { onAbort, unlessAborted } from "../../async/abort.ts";
import { TimeLimit } from "../../async/time_limit.ts";

/** The part of `Deno.Conn` that is used here. */
export interface ServerConnection {
  /** @throws when the connection broke. */
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
  /** Wakes up a waiting read only when so many bytes are there; 1 is the default. Only for an open connection. */
  wakeAt?(bytes: number): void;
}

/** Sets up a new connection of Deno's TLS by system calls, where the caller has that permission. */
export type Prepare = (connection: Deno.TlsConn) => Prepared | undefined;

/** What Deno's TLS has no call for. (It has no setNoDelay either, without which a small write after another waits up to 40 ms.) */
export interface Prepared {
  readonly wakeAt?: ServerConnection["wakeAt"];
  /**
   * Shuts down the TCP connection below, while the handshake is under way. After its close, Deno's TLS continues the handshake by itself:
   * for ever, with a peer that accepts connections and sends nothing. Later, what was written may still be on its way out.
   */
  readonly shutDown?: () => void;
}

const TIMEOUT_MS = 20_000;

/**
 * Whether the access needs what Deno's own TLS can't do: leave the certificate unchecked, check it against another name, or send a client
 * certificate through a proxy's tunnel (`Deno.startTls` sends none). node:tls can, a little slower.
 */
export function needsNode(access: ApiServerAccess): boolean {
  return access.proxyUrl !== undefined ||
    (access.tls && (access.insecure || access.servername !== undefined));
}

/**
 * Opens a connection to the API server, by TLS (HTTP/1.1 only) unless the server is plain HTTP, and through its proxy if there is one.
 * Small writes are sent at once; with a client certificate that needs `prepare`.
 *
 * @throws {DOMException} "TimeoutError" after 20 s
 * @throws the signal's reason when it aborts, and why the connection can't be opened
 */
export async function dial(
  access: ApiServerAccess,
  signal?: AbortSignal,
  prepare?: Prepare,
): Promise<ServerConnection> {
  signal?.throwIfAborted();
  if (needsNode(access)) return new NodeConnection(await dialSocket(access, signal));
  return await inTime<ServerConnection>(
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
): Promise<ServerConnection> {
  const { hostname, port, cert, key } = access;
  const options = { hostname, caCerts: [...access.caCerts], alpnProtocols: ["http/1.1"] };
  // Deno.startTls sends no client certificate, and Deno.connectTls doesn't allow to set TCP_NODELAY before. (node:tls can do both, at
  // three times the CPU for what comes in.)
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
    await conn.handshake(); // here, so that a bad certificate fails the dial and not the first read
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

/** Opens a connection by node's sockets; see {@linkcode needsNode}. */
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
      // An empty list, too: without one, Deno fails where its own store is empty, even if nothing is to be checked.
      ca: [...caCerts],
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

/** A node socket with the interface of Deno's. One read at a time. */
class NodeConnection implements ServerConnection {
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
