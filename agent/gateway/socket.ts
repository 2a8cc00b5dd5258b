/**
 * A TCP connection out of the gateway as a Transport that can be broken off by a reset.
 *
 * Hot path: one read is wanted at a time, so one buffer per connection, reused; the socket is paused while nobody reads.
 *
 * Why node:net: its resetAndDestroy sends a TCP reset (SO_LINGER 0), which Deno.TcpConn has no way to do. With `onread`
 * it costs 12 µs more CPU a connection than Deno.connect, and as much for each byte.
 */
import { type Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { type Endpoint, formatEndpoint } from "../../wire/address.ts";
import type { AbortableTransport } from "../../wire/transport.ts";

const SMALL = 4 * 1024;
const LARGE = 64 * 1024;

export interface DialOptions {
  /** Milliseconds until the attempt is given up. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Dials; fails with an error whose `code` says why, as the kernel calls it ("ECONNREFUSED"). */
export type Dial = (endpoint: Endpoint, options: DialOptions) => Promise<AbortableTransport>;

/**
 * Connects to an address.
 * @throws the kernel's error; one with code ETIMEDOUT after `timeoutMs`; the signal's reason.
 */
export const dial: Dial = (endpoint, options) => SocketTransport.connect(endpoint, options);

export class SocketTransport implements AbortableTransport {
  readonly #socket: Socket;
  /** What reads go to; grows to 64 KiB for a connection whose reads fill it. */
  #buffer = new Uint8Array(SMALL);
  /** Where what came lies (the socket may have been given another buffer since), and what of it nobody took yet. */
  #came = this.#buffer;
  #start = 0;
  #end = 0;
  #finished = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;

  private constructor(endpoint: Endpoint) {
    this.#socket = connect({
      host: endpoint.address.text,
      port: endpoint.port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
      allowHalfOpen: true,
      onread: {
        buffer: () => this.#buffer as Buffer,
        callback: (size: number, bytes: Uint8Array) => this.#deliver(size, bytes),
      },
    });
    this.#socket.on("end", () => this.#finish(undefined));
    this.#socket.on("error", (error: Error) => this.#finish(error));
    this.#socket.on("close", () => this.#finish(new Error("the connection is closed")));
  }

  static async connect(endpoint: Endpoint, { timeoutMs, signal }: DialOptions): Promise<SocketTransport> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const transport = new SocketTransport(endpoint);
    const socket = transport.#socket;
    const target = formatEndpoint(endpoint.address.text, endpoint.port);
    const timer = setTimeout(
      () => reject(coded("ETIMEDOUT", `${target} did not answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    const aborted = () => reject(signal?.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    socket.once("connect", resolve);
    socket.once("error", reject);
    try {
      await promise;
      return transport;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      socket.off("connect", resolve);
      socket.off("error", reject);
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    while (this.#start === this.#end) {
      if (this.#error) throw this.#error;
      if (this.#finished) return null;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      this.#socket.resume();
      await promise;
    }
    const size = Math.min(into.length, this.#end - this.#start);
    into.set(this.#came.subarray(this.#start, this.#start + size));
    this.#start += size;
    return size;
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#error) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
    });
  }

  closeWrite(): Promise<void> {
    if (this.#error) return Promise.reject(this.#error);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const failed = () => reject(this.#error ?? new Error("the connection is closed"));
    this.#socket.once("close", failed);
    this.#socket.end(() => {
      this.#socket.off("close", failed);
      resolve();
    });
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  abort(): void {
    if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
  }

  /** False pauses the socket until the next read. */
  #deliver(size: number, bytes: Uint8Array): boolean {
    this.#came = bytes as Uint8Array<ArrayBuffer>;
    this.#start = 0;
    this.#end = size;
    if (size === this.#buffer.length && size < LARGE) this.#buffer = new Uint8Array(LARGE);
    this.#awake();
    return false;
  }

  #finish(error: Error | undefined): void {
    // An end that came before is an end; what breaks after it concerns only writes.
    if (error && !this.#error) this.#error = error;
    if (error === undefined) this.#finished = true;
    this.#awake();
  }

  #awake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

function coded(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
