import type { AbortableTransport } from "../../net/transport.ts";
import { WrappedTransport } from "../../net/wrapped_transport.ts";

/**
 * A caller whose first bytes are read ahead. They travel to the laptop with the CONNECT, before its answer. If the laptop
 * declines the connection, they are read again, for the pod.
 *
 * Nothing waits for these bytes: where the server speaks first, the read stays under way meanwhile.
 */
export class PeekedConnection extends WrappedTransport {
  #first: Promise<Uint8Array | null> | undefined;
  /** The first bytes that were not read again yet. */
  #rest: Uint8Array | undefined;

  /** @param longest Bytes that may be read ahead. */
  constructor(inner: AbortableTransport, longest = 4096) {
    super(inner);
    const into = new Uint8Array(longest);
    this.#first = inner.read(into).then((n) => n === null ? null : into.subarray(0, n));
    this.#first.catch(() => {}); // `read` and `first` report it
  }

  /** The first bytes; null when the caller ended without any. They stay to be read, unless `consume` is called. */
  get first(): Promise<Uint8Array | null> {
    return this.#first ?? Promise.resolve(this.#rest ?? new Uint8Array());
  }

  /** Whether the caller leaves within so many milliseconds without having sent a byte. */
  async leavesSilently(ms: number): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), ms);
    try {
      return await Promise.race([this.first.then((bytes) => bytes === null, () => true), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The first bytes were sent: reading continues after them. An end that came first stays an end. */
  async consume(): Promise<void> {
    if (this.#first && await this.#first !== null) this.#first = undefined;
    this.#rest = undefined;
  }

  /** What is left to be read and written: the connection itself where no byte of it is held here, at no cost for each read. */
  unread(): AbortableTransport {
    return this.#first || this.#rest ? this : this.inner;
  }

  override read(into: Uint8Array): Promise<number | null> {
    return this.#first || this.#rest ? this.#reread(into) : this.inner.read(into);
  }

  async #reread(into: Uint8Array): Promise<number | null> {
    if (this.#first) {
      const bytes = await this.#first;
      if (bytes === null) return null;
      this.#first = undefined;
      this.#rest = bytes;
    }
    if (!this.#rest) return await this.inner.read(into);
    const n = Math.min(this.#rest.length, into.length);
    into.set(this.#rest.subarray(0, n));
    this.#rest = n < this.#rest.length ? this.#rest.subarray(n) : undefined;
    return n;
  }
}
