import type { Connection } from "../client/dial.ts";

/** Bytes of the buffer. */
const SIZE = 512 << 10;
/** Bytes of what TLS hands out at a time, a record (RFC 8446 §5.1): reads that have less room aren't begun. */
const RECORD = 16 << 10;
/** Bytes after which what has come is passed on, though more may be there. */
const ENOUGH = 128 << 10;
/** Bytes that are waited for at a time while much comes, which is when so many have come without a pause of so many milliseconds. */
const LEVEL = 64 << 10;
const MUCH = 2 << 20;
const PAUSE_MS = 2;
/** Milliseconds that {@linkcode LEVEL} bytes may take to come: what comes slower isn't waited for. */
const PATIENCE_MS = 1;
/** Turns of promises in which a read settles whose bytes were there already: Deno's takes two. */
const HOPS = 4;

/**
 * What comes on a connection, in one buffer.
 *
 * Hot path: Deno's TLS hands out a record at a time, so as long as the next one is there at once it is taken too: whoever parses
 * the bytes then has less to do, and what goes on goes in larger pieces. For that one read is begun too many; it stays under way. While
 * much comes, the kernel is asked to wake the reader only when it's worth it, where the connection has a way to do so: a wake-up
 * for each record costs twice the CPU of all else.
 */
export class ReadBuffer {
  readonly bytes = new Uint8Array(SIZE);
  readonly #connection: Connection;
  /** Bytes have come up to here. */
  #have: number;
  #reading: Promise<void> | undefined;
  #ended = false;
  /** What came without a pause, and when last. */
  #flow = 0;
  #last = 0;
  /** The kernel was asked to wait for more. */
  #raised = false;
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
    if (!this.#over) await this.#wait(this.#reading ?? this.#read());
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

  /** The connection is about to be closed here. */
  stop(): void {
    this.#ended = true;
  }

  async #wait(reading: Promise<void>): Promise<void> {
    if (!this.#raised) return await reading;
    // Nothing is asked of the kernel for longer than this: the rest of what comes may be less than it waits for.
    const timer = setTimeout(() => this.#lower(), PATIENCE_MS);
    await reading;
    clearTimeout(timer);
  }

  /** Counts what came, and asks the kernel to wait for more where it's much. */
  #flowed(bytes: number): void {
    const now = performance.now();
    this.#flow = now - this.#last < PAUSE_MS ? this.#flow + bytes : bytes;
    this.#last = now;
    if (this.#raised || this.#flow < MUCH || this.#over) return;
    this.#raised = true;
    this.#connection.wakeAt?.(LEVEL);
  }

  #lower(): void {
    this.#flow = 0;
    if (!this.#raised || this.#ended) return;
    this.#raised = false;
    this.#connection.wakeAt?.(1);
  }

  get #over(): boolean {
    return this.#ended || this.#failure !== undefined;
  }

  /** Never rejects. */
  #read(): Promise<void> {
    const came = (size: number | null) => {
      this.#reading = undefined;
      if (size === null) return void (this.#ended = true);
      this.#have += size;
      this.#flowed(size);
    };
    const failed = (cause: unknown) => {
      this.#reading = undefined;
      this.#failure = { cause };
    };
    return this.#reading = this.#connection.read(this.bytes.subarray(this.#have)).then(came, failed);
  }
}
