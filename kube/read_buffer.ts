import type { Connection } from "./dial.ts";

/** Bytes of the buffer. */
const SIZE = 512 << 10;
/** Bytes of what TLS hands out at a time, a record (RFC 8446 §5.1): reads that have less room aren't begun. */
const RECORD = 16 << 10;
/** Bytes after which what has come is passed on, though more may be there. */
const ENOUGH = 128 << 10;
/** Turns of promises in which a read settles whose bytes were there already: Deno's takes two. */
const HOPS = 4;

/**
 * What comes on a connection, in one buffer.
 *
 * Hot path: Deno's TLS hands out a record at a time, so as long as the next one is there at once it is taken too: whoever parses
 * the bytes then has less to do, and what goes on goes in larger pieces. For that one read is begun too many; it stays under way.
 */
export class ReadBuffer {
  readonly bytes = new Uint8Array(SIZE);
  readonly #connection: Connection;
  /** Bytes have come up to here. */
  #have: number;
  #reading: Promise<void> | undefined;
  #ended = false;
  #failure: { readonly cause: unknown } | undefined;

  /** @param first what came before */
  constructor(connection: Connection, first: Uint8Array) {
    this.#connection = connection;
    this.bytes.set(first);
    this.#have = first.length;
  }

  /** The bytes that have come end here. */
  get have(): number {
    return this.#have;
  }

  /**
   * Waits for more to come. `bytes[from, have)` is still wanted; it may be moved.
   * @returns where it is now; null at the connection's end.
   * @throws what the connection throws.
   */
  async fill(from: number): Promise<number | null> {
    let at = from;
    if (this.#reading === undefined && from > 0) {
      this.bytes.copyWithin(0, from, this.#have);
      this.#have -= from;
      at = 0;
    }
    const before = this.#have;
    if (!this.#over) await (this.#reading ?? this.#read());
    while (!this.#over && this.#have - at < ENOUGH && SIZE - this.#have >= RECORD) {
      this.#read();
      for (let hop = 0; hop < HOPS && this.#reading !== undefined; hop++) await undefined;
      if (this.#reading !== undefined) break;
    }
    // What came before an end, or a break, comes first: the next call tells of it.
    if (this.#have > before) return at;
    if (this.#failure) throw this.#failure.cause;
    return null;
  }

  get #over(): boolean {
    return this.#ended || this.#failure !== undefined;
  }

  /** Never rejects. */
  #read(): Promise<void> {
    const came = (size: number | null) => {
      this.#reading = undefined;
      if (size === null) this.#ended = true;
      else this.#have += size;
    };
    const failed = (cause: unknown) => {
      this.#reading = undefined;
      this.#failure = { cause };
    };
    return this.#reading = this.#connection.read(this.bytes.subarray(this.#have)).then(came, failed);
  }
}
