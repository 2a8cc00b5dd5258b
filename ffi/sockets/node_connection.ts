import { Buffer } from "node:buffer";
import net from "node:net";
import { type Endpoint, parseAddress } from "../../net/address.ts";
import type { AcceptedConnection, ConnectionEnds } from "./connection_kind.ts";

/**
 * A TCP connection of node:net as a transport that can be reset. It uses documented calls only, so it works where Deno can't take
 * connections over (adopted_connection.ts), for more CPU: node:net allocates and copies for each read (docs/decisions.md).
 *
 * Hot path: one event and one copy for each read. The stream is paused after each read, so node:net reads ahead no more than its buffer.
 */
export class NodeConnection implements AcceptedConnection {
  /** The bytes that node:net reads at a time. */
  readonly part: number = 64 * 1024;
  readonly #socket: net.Socket;
  readonly #ends: ConnectionEnds | undefined;
  /** What was read and not yet taken. */
  #chunk: Uint8Array | undefined;
  #hasEnded = false;
  #broken: Error | undefined;
  #reader: PromiseWithResolvers<number | null> | undefined;
  #into: Uint8Array | undefined;

  private constructor(socket: net.Socket, ends?: ConnectionEnds) {
    this.#socket = socket;
    this.#ends = ends;
    socket.pause(); // or the first listener would start the flow of data
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("end", () => this.#end());
    socket.on("error", (error: Error) => this.#break(error));
    socket.on("close", () => this.#break(new Error("the connection is closed")));
  }

  /** Owns an accepted connection before its first read. @throws {Deno.errors.ConnectionReset} when the peer has reset it. */
  static accepted(socket: net.Socket): NodeConnection {
    const local = endpoint(socket.localAddress, socket.localPort);
    const remote = endpoint(socket.remoteAddress, socket.remotePort);
    return new NodeConnection(socket, { local, remote });
  }

  /** Makes a connection of a connected or connecting socket, and owns its descriptor. */
  static of(fd: number): NodeConnection {
    const socket = new net.Socket({ fd, allowHalfOpen: true });
    socket.setNoDelay(true);
    return new NodeConnection(socket);
  }

  /** Both ends of an accepted connection; the local one is the address that was dialled. */
  get ends(): ConnectionEnds {
    if (!this.#ends) throw new TypeError("only accepted connections know their ends");
    return this.#ends;
  }

  read(into: Uint8Array): Promise<number | null> {
    if (into.length === 0) return Promise.resolve(0);
    if (this.#chunk) return Promise.resolve(this.#take(this.#chunk, into));
    if (this.#hasEnded) return Promise.resolve(null);
    if (this.#broken) return Promise.reject(this.#broken);
    this.#into = into;
    this.#reader = Promise.withResolvers<number | null>();
    this.#socket.resume();
    return this.#reader.promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#broken) return Promise.reject(this.#broken);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#socket.write(view, (error) => error ? reject(this.#broken ?? error) : resolve(bytes.length));
    return promise;
  }

  closeWrite(): Promise<void> {
    if (this.#broken) return Promise.reject(this.#broken);
    if (this.#socket.writableFinished) return Promise.resolve(); // as shutdown(2), twice is fine
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.end((error?: Error | null) => error ? reject(this.#broken ?? error) : resolve());
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Resets the connection; a read that waits rejects with the reason. */
  abort(reason?: Error): void {
    if (this.#socket.destroyed) return;
    this.#break(reason ?? new Error("the connection was reset at this end"));
    this.#socket.resetAndDestroy();
  }

  #received(chunk: Uint8Array): void {
    this.#socket.pause();
    this.#chunk = chunk;
    const [reader, into] = [this.#reader, this.#into];
    if (!reader || !into) return;
    this.#reader = undefined;
    reader.resolve(this.#take(chunk, into));
  }

  #take(chunk: Uint8Array, into: Uint8Array): number {
    const length = Math.min(into.length, chunk.length);
    into.set(chunk.subarray(0, length));
    this.#chunk = length < chunk.length ? chunk.subarray(length) : undefined;
    return length;
  }

  #end(): void {
    this.#hasEnded = true;
    this.#reader?.resolve(null);
    this.#reader = undefined;
  }

  #break(error: Error): void {
    this.#broken ??= error;
    this.#reader?.reject(this.#broken);
    this.#reader = undefined;
  }
}

/** node:net has IPv4 addresses in their v4-mapped form where the socket is IPv6, and none after a reset by the peer. */
function endpoint(text: string | undefined, port: number | undefined): Endpoint {
  const address = parseAddress(text ?? "");
  if (!address || port === undefined) {
    throw new Deno.errors.ConnectionReset("the peer has reset the connection");
  }
  return { address, port };
}
