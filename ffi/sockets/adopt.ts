import net from "node:net";
import { Buffer } from "node:buffer";
import { type Endpoint, parseAddress } from "../../net/address.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { libc, must } from "../libc.ts";
import { closeDescriptor, localEndpoint } from "./socket.ts";

/**
 * Adopts sockets by descriptor, made by ffi/sockets/socket.ts or handed over, with node:net: Deno's own listeners and
 * connections can't be made from a descriptor. This works in Workers too.
 *
 * Hot path: one event and one copy for each read; no allocation here.
 */

const F_DUPFD_CLOEXEC = 1030;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;

/** An adopted listener. */
export interface AdoptedListener extends Disposable {
  readonly address: Endpoint;
  /**
   * Checks whether connections wait without being accepted, and starts over in that case. Call it regularly: after accept(2) has
   * failed once (EMFILE, ENFILE, ENOMEM), node:net never accepts again and reports nothing (Deno 2.9.6).
   * @returns false while connections wait in vain
   */
  look(): boolean;
}

/**
 * Accepts on a listening socket and owns it from then on. Disposing closes it.
 * @throws {SystemCallError} when the process is out of descriptors; then the caller still owns the socket.
 */
export function adoptListener(
  fd: number,
  onConnection: (socket: SocketTransport) => void,
): AdoptedListener {
  const address = localEndpoint(fd);
  let accepted = 0;
  // Half-open: a peer that has ended its direction may still wait for the answer.
  const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
  const serve = (fd: number) => {
    const server = net.createServer(options, (socket) => {
      accepted++;
      onConnection(new SocketTransport(socket));
    });
    server.on("error", () => {}); // look() sees that nothing is accepted
    server.listen({ fd });
    return server;
  };
  // A duplicate of the descriptor, to inspect the socket and to start over with.
  let own = must("duplicating a listener", libc.fcntl(fd, F_DUPFD_CLOEXEC, 0));
  let server = serve(fd);
  /** The number of accepted connections when the last check saw others waiting. */
  let before: number | undefined;
  return {
    address,
    look() {
      if (own < 0) return true;
      const waits = connectionsWaiting(own) > 0;
      const inVain = waits && accepted === before;
      before = waits ? accepted : undefined;
      if (!inVain) return true;
      const next = libc.fcntl(own, F_DUPFD_CLOEXEC, 0);
      if (next < 0) return false;
      server.close();
      server = serve(own);
      own = next;
      return false;
    },
    [Symbol.dispose]() {
      server.close();
      if (own >= 0) closeDescriptor(own);
      own = -1;
    },
  };
}

/** Connections that wait to be accepted: tcpi_unacked of a listener (struct tcp_info). */
function connectionsWaiting(listener: number): number {
  const info = new Uint32Array(64);
  const length = new Uint8Array(new Uint32Array([info.byteLength]).buffer);
  const got = libc.getsockopt(listener, IPPROTO_TCP, TCP_INFO, new Uint8Array(info.buffer), length);
  return got < 0 ? 0 : info[6] ?? 0;
}

/** Makes a transport of a connected or connecting socket, and owns its descriptor. */
export function adoptSocket(fd: number): SocketTransport {
  const socket = new net.Socket({ fd, allowHalfOpen: true });
  socket.setNoDelay(true);
  return new SocketTransport(socket);
}

/** A TCP connection of node:net as a transport that tells an end from a break and can be reset. */
export class SocketTransport implements AbortableTransport {
  /** Bytes of one read of node:net. */
  readonly part: number = 64 * 1024;
  readonly #socket: net.Socket;
  #chunk: Uint8Array | undefined;
  #at = 0;
  #ended = false;
  #error: Error | undefined;
  #reader: PromiseWithResolvers<number | null> | undefined;
  #into: Uint8Array | undefined;

  constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.pause();
    socket.on("data", (chunk: Uint8Array) => this.#came(chunk));
    socket.on("end", () => this.#end());
    socket.on("error", (error: Error) => this.#broke(error));
    socket.on("close", () => this.#broke(new Error("the connection was closed")));
    socket.pause();
  }

  /** The local end; for a captured connection, the address that was dialled. */
  get local(): Endpoint {
    return endpoint(this.#socket.localAddress, this.#socket.localPort);
  }

  /** The remote end. */
  get remote(): Endpoint {
    return endpoint(this.#socket.remoteAddress, this.#socket.remotePort);
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#chunk) return Promise.resolve(this.#take(into));
    if (this.#ended) return Promise.resolve(null);
    if (this.#error) return Promise.reject(this.#error);
    this.#into = into;
    this.#reader = Promise.withResolvers<number | null>();
    this.#socket.resume();
    return this.#reader.promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#error) return Promise.reject(this.#error);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#socket.write(view, (error) => error ? reject(error) : resolve(bytes.length));
    return promise;
  }

  closeWrite(): Promise<void> {
    if (this.#error) return Promise.reject(this.#error);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#socket.end(() => resolve());
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Resets the connection. */
  abort(reason?: Error): void {
    this.#broke(reason ?? new Error("the connection was broken off"));
    this.#socket.resetAndDestroy();
  }

  #came(chunk: Uint8Array): void {
    this.#chunk = chunk;
    this.#at = 0;
    const reader = this.#reader;
    if (!reader || !this.#into) return void this.#socket.pause();
    this.#socket.pause();
    this.#reader = undefined;
    reader.resolve(this.#take(this.#into));
  }

  #take(into: Uint8Array): number {
    const chunk = this.#chunk ?? new Uint8Array(0);
    const length = Math.min(into.length, chunk.length - this.#at);
    into.set(chunk.subarray(this.#at, this.#at + length));
    this.#at += length;
    if (this.#at === chunk.length) this.#chunk = undefined;
    return length;
  }

  #end(): void {
    this.#ended = true;
    this.#reader?.resolve(null);
    this.#reader = undefined;
  }

  #broke(error: Error): void {
    this.#error ??= error;
    this.#reader?.reject(this.#error);
    this.#reader = undefined;
  }
}

/** node:net gives v4-mapped addresses where a socket is of IPv6. */
function endpoint(text: string | undefined, port: number | undefined): Endpoint {
  const address = parseAddress(text ?? "");
  if (!address) throw new Error("the connection is gone: it has no address any more");
  return { address, port: port ?? 0 };
}
