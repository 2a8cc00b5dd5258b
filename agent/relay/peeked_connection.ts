import type { AbortableTransport } from "../../net/transport.ts";

/**
 * A caller whose first bytes are read ahead: they travel to the laptop with the CONNECT, before its answer, and should
 * the laptop turn out never to have seen the connection, they can be given to the pod instead.
 *
 * Nothing waits for these bytes: in a protocol where the server speaks first the read stays under way meanwhile.
 */
export class FirstRead implements AbortableTransport {
  readonly #inner: AbortableTransport;
  #first: Promise<Uint8Array | null> | undefined;
  /** What is left of the first bytes. */
  #rest: Uint8Array | undefined;

  /** @param longest Bytes that may be read ahead. */
  constructor(inner: AbortableTransport, longest = 16_384) {
    this.#inner = inner;
    const into = new Uint8Array(longest);
    this.#first = inner.read(into).then((n) => n === null ? null : into.subarray(0, n));
    this.#first.catch(() => {}); // whoever reads gets it
  }

  /** The first bytes; null when the caller ended without any. They stay to be read, unless `taken` is called. */
  get first(): Promise<Uint8Array | null> {
    return this.#first ?? Promise.resolve(this.#rest ?? new Uint8Array());
  }

  /** Whether the caller goes within so many milliseconds without having said anything. */
  async leavesSilently(ms: number): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), ms);
    try {
      return await Promise.race([this.first.then((bytes) => bytes === null, () => true), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The first bytes went elsewhere: reading goes on behind them. For an end that came first it changes nothing. */
  async taken(): Promise<void> {
    if (this.#first && await this.#first !== null) this.#first = undefined;
    this.#rest = undefined;
  }

  async read(into: Uint8Array): Promise<number | null> {
    if (this.#first) {
      const bytes = await this.#first;
      if (bytes === null) return null;
      this.#first = undefined;
      this.#rest = bytes;
    }
    if (!this.#rest) return await this.#inner.read(into);
    const n = Math.min(this.#rest.length, into.length);
    into.set(this.#rest.subarray(0, n));
    this.#rest = n < this.#rest.length ? this.#rest.subarray(n) : undefined;
    return n;
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#inner.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#inner.closeWrite();
  }

  close(): void {
    this.#inner.close();
  }

  abort(reason?: Error): void {
    this.#inner.abort(reason);
  }
}
