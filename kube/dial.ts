import { connect as connectNet, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Buffer } from "node:buffer";
import type { ApiServerAccess } from "./access.ts";
import { connected, isAddress, throughProxy } from "./proxy.ts";

/** The part of `Deno.Conn` that is used here. */
export interface Connection {
  /** @throws when the connection broke. */
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
  /** Has a read that waits wake up when so many bytes are there, 1 being as usual; only of a connection that is open. */
  wakeAt?(bytes: number): void;
}

/**
 * What is done to a connection of Deno's TLS before it's used. It has no setNoDelay, without which a small write that follows another
 * waits up to 40 ms: who may call the system sets the option in here, and may give back a `wakeAt`.
 */
export type Prepare = (connection: Deno.TlsConn) => Connection["wakeAt"] | void;

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
  const opened = access.tls ? connectDenoTls(access, prepare) : connectDeno(access);
  return await settle<Connection>(opened, (late) => late.close(), signal);
}

async function connectDeno({ hostname, port }: ApiServerAccess): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port });
  conn.setNoDelay();
  return conn;
}

async function connectDenoTls(access: ApiServerAccess, prepare?: Prepare): Promise<Connection> {
  const { hostname, port, cert, key } = access;
  const options = { hostname, caCerts: [...access.caCerts], alpnProtocols: ["http/1.1"] };
  // Deno.startTls sends no client certificate, Deno.connectTls lets nobody set TCP_NODELAY before. (node:tls could do both, at three
  // times the CPU for what comes in.)
  const conn = cert && key
    ? await Deno.connectTls({ ...options, port, cert, key })
    : await Deno.startTls(await connectDeno(access), options);
  try {
    const wakeAt = prepare?.(conn);
    await conn.handshake(); // here, so that a bad certificate is told as such and not by the first read
    if (!wakeAt) return conn;
    return {
      read: (into) => conn.read(into),
      write: (bytes) => conn.write(bytes),
      close: () => conn.close(),
      wakeAt,
    };
  } catch (error) {
    conn.close();
    throw error;
  }
}

/** The same by node's sockets; see {@linkcode needsNode}. */
export async function dialSocket(access: ApiServerAccess, signal?: AbortSignal): Promise<Socket> {
  const socket = await settle(openSocket(access), (late) => late.destroy(), signal);
  socket.setNoDelay(true);
  return socket;
}

async function openSocket(access: ApiServerAccess): Promise<Socket> {
  const plain = access.proxyUrl
    ? await throughProxy(new URL(access.proxyUrl), access)
    : await connected(connectNet({ host: access.hostname, port: access.port }), "connect");
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
  );
}

/** Waits for a connection, no longer than allowed; one that comes later is closed. */
async function settle<T>(opened: Promise<T>, close: (late: T) => void, signal?: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new DOMException(`no connection within ${TIMEOUT_MS / 1000} s`, "TimeoutError")),
    TIMEOUT_MS,
  );
  const aborted = () => reject(signal?.reason);
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    return await Promise.race([opened, promise]);
  } catch (error) {
    opened.then(close, () => {});
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", aborted);
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
