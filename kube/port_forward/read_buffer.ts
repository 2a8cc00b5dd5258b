import type { ServerConnection } from "../client/dial.ts";

/** Bytes of the buffer. */
const SIZE = 512 << 10;
/** Bytes of a TLS record (RFC 8446 §5.1), which TLS hands out at a time: a read with less room isn't begun. */
const RECORD = 16 << 10;
/** When so many bytes have come, they are passed on even though more may be there. */
const ENOUGH = 128 << 10;
/** While much comes, reads wait for LEVEL bytes. Much is MUCH bytes without a pause of PAUSE_MS milliseconds. */
const LEVEL = 64 << 10;
const MUCH = 2 << 20;
const PAUSE_MS = 2;
/** Milliseconds that a read waits for {@linkcode LEVEL} bytes. */
const LEVEL_MS = 1;
/** Turns of the microtask queue within which a read of bytes that are there settles: Deno's takes two. */
const HOPS = 4;

/**
 * Reads a connection into one buffer.
 *
 * Hot path: Deno's TLS hands out a record at a time. As long as the next one is there at once it is read too, so that the bytes are parsed
 * and passed on in larger pieces; the read that finds none stays under way. While much comes, the kernel is asked to wake the reader only
 * for LEVEL bytes, where the connection can do that: a wake-up for each record costs twice the CPU of everything else.
 */
export class ReadBuffer {
  readonly bytes = new Uint8Array(SIZE);
  readonly #connection: ServerConnection;
  /** Where the bytes that have come end. */
  #have: number;
  #reading: Promise<void> | undefined;
  #ended = false;
  /** Bytes that have come without a pause, and when the last ones did. */
  #flow = 0;
  #last = 0;
  /** Whether the kernel was asked to wait for LEVEL bytes. */
  #raised = false;
  #failure: { readonly cause: unknown } | undefined;

  /** @param first bytes that have come already */
  constructor(connection: ServerConnection, first: Uint8Array) {
    this.#connection = connection;
    this.bytes.set(first);
    this.#have = first.length;
  }

  /** Where the bytes that have come end in the buffer. */
  get have(): number {
    return this.#have;
  }

  /**
   * Waits for more bytes. bytes[from, have) is kept, but may be moved.
   *
   * @returns where it begins now; null at the connection's end
   * @throws whatever the connection throws
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
    // What came before an end or a break is passed on first: the next call tells of the end.
    if (this.#have > before) return at;
    if (this.#failure) throw this.#failure.cause;
    return null;
  }

  /** Stops asking the kernel for anything: the connection is about to be closed here. */
  stop(): void {
    this.#ended = true;
  }

  async #wait(reading: Promise<void>): Promise<void> {
    if (!this.#raised) return await reading;
    // Not longer: the rest of what comes may be less than the kernel waits for.
    const timer = setTimeout(() => this.#lower(), LEVEL_MS);
    await reading;
    clearTimeout(timer);
  }

  /** Counts what came, and asks the kernel to wait for more when it is much. */
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
