/** Reads what a peer sends piece by piece, and keeps what came beyond the piece. Hot path: a promise for each read, nothing else. */

/** The peer ended, or sent more than it may, before all that was to be read had come. */
export class EarlyEnd extends Error {
  override name = "EarlyEnd";
}

/** What is read from; it must not throw other than by its promise. */
type Source = { read(into: Uint8Array): Promise<number | null> };

/** Bytes of the buffer: of a quiet connection by what its messages have been like, at first, and where reads fill it. */
const SMALLEST = 1024;
const FIRST = 4 * 1024;
const LARGEST = 64 * 1024;

export class ByteReader {
  /** Bytes that have come so far. */
  received = 0;
  readonly #source: Source;
  #buffer = new Uint8Array(FIRST);
  #start = 0;
  #end = 0;
  /** A read that is under way. */
  #reading: Promise<boolean> | undefined;
  /** What `readThen` calls. */
  #settled: (() => void) | undefined;
  /** How the last read failed, where nobody was told yet. */
  #failure: { readonly error: unknown } | undefined;
  #ended = false;
  /** Bytes that a read brings, about: those of the largest one, but an older one counts less. */
  #usual = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** What has come and was not taken yet; good until the next read. */
  get buffered(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** How many bytes are buffered. */
  get available(): number {
    return this.#end - this.#start;
  }

  /** Whether the peer has ended, or broken: the next call of `more` says which. */
  get over(): boolean {
    return this.#ended || this.#failure !== undefined;
  }

  /** Whether a read is under way: what it brings will be buffered. */
  get reading(): boolean {
    return this.#reading !== undefined;
  }

  /**
   * Waits for more bytes. False at the peer's end. A call while another one waits shares its read: a read may be begun long before
   * anything is expected, to notice the peer's end.
   * @throws what reading throws
   */
  more(): Promise<boolean> {
    if (this.#settled !== undefined && this.#reading !== undefined) {
      this.#settled = undefined;
      return this.#reading = this.#reading.then((hasMore) => this.#told(hasMore));
    }
    if (this.#failure !== undefined) return Promise.reject(this.#tellFailure());
    return this.#reading ??= this.#source.read(this.#room()).then(this.#came, this.#broke);
  }

  /** Begins to read long before anything is expected, so into a small buffer: a waiting read pins it. As {@linkcode ByteReader.more}. */
  readAhead(): Promise<boolean> {
    if (this.#reading === undefined) this.#shrink();
    return this.more();
  }

  /**
   * Begins to read as readAhead does, unless a read is under way, and calls `settled` once when it has ended: then bytes are
   * buffered, or it is `over`. A call of `more` meanwhile takes that read over. For waiting for one of several readers, at
   * no further promise.
   */
  readThen(settled: () => void): void {
    if (this.#reading === undefined) {
      this.#shrink();
      this.#settled = settled;
      this.#reading = this.#source.read(this.#room()).then(this.#cameThen, this.#brokeThen);
    } else if (this.#settled !== undefined) {
      this.#settled = settled;
    } else {
      this.#reading.then(settled, settled);
    }
  }

  /** A read that may wait for long pins its buffer: it is no larger than twice what usually comes. */
  #shrink(): void {
    if (this.#start < this.#end) return;
    let size = FIRST;
    while (size > SMALLEST && size >= 4 * this.#usual) size /= 2;
    if (this.#buffer.length <= size) return;
    this.#buffer = new Uint8Array(size);
    this.#start = this.#end = 0;
  }

  readonly #came = (count: number | null): boolean => {
    this.#reading = undefined;
    if (count === null) {
      this.#ended = true;
      return false;
    }
    this.#end += count;
    this.received += count;
    this.#usual = Math.max(count, this.#usual * 3 / 4);
    return true;
  };

  readonly #broke = (error: unknown): never => {
    this.#reading = undefined;
    throw error;
  };

  readonly #cameThen = (count: number | null): boolean => {
    const hasMore = this.#came(count);
    this.#tellSettled();
    return hasMore;
  };

  readonly #brokeThen = (error: unknown): boolean => {
    this.#reading = undefined;
    this.#failure = { error };
    this.#tellSettled();
    return false;
  };

  #tellSettled(): void {
    const settled = this.#settled;
    this.#settled = undefined;
    settled?.();
  }

  /** What a read of `readThen` has brought, for those who wait for it by `more`. */
  #told(hasMore: boolean): boolean {
    if (this.#failure !== undefined) throw this.#tellFailure();
    return hasMore;
  }

  #tellFailure(): unknown {
    const error = this.#failure?.error;
    this.#failure = undefined;
    return error;
  }

  /** Where the next bytes go. */
  #room(): Uint8Array {
    const { length } = this.#buffer;
    const size = this.#end - this.#start;
    if (size === 0) {
      // As large as the reads before it would have filled.
      if (this.#end === length && length < LARGEST) this.#buffer = new Uint8Array(4 * length);
      else if (this.#end < length / 4 && length > FIRST) this.#buffer = new Uint8Array(length / 4);
      this.#start = this.#end = 0;
    } else if (this.#end === length || this.#start > 0 && this.#end > length / 2) {
      const to = this.#start > 0 ? this.#buffer : new Uint8Array(2 * length);
      to.set(this.buffered);
      this.#buffer = to;
      this.#start = 0;
      this.#end = size;
    }
    return this.#buffer.subarray(this.#end);
  }

  /** Drops `count` of what is buffered. */
  skip(count: number): void {
    this.#start = Math.min(this.#start + count, this.#end);
  }

  /** Takes `count` of what is buffered, as a copy. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.buffered.slice(0, count);
    this.#start += taken.length;
    return taken;
  }

  /** Takes exactly `count` bytes. @throws {EarlyEnd} */
  async exactly(count: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#end - this.#start < count) {
      if (!await this.more()) throw new EarlyEnd("the peer ended too early");
    }
    return this.take(count);
  }

  /**
   * Takes all up to and with the first empty line: the head of an HTTP message. Undefined when the peer ended before one began.
   * The bytes are good until the next read.
   * @throws {EarlyEnd} when the peer ended in between, or `limit` bytes had no empty line.
   */
  async head(limit: number): Promise<Uint8Array | undefined> {
    for (let from = 0;;) {
      const end = endOfHead(this.#buffer, this.#start + from, this.#end);
      const size = this.#end - this.#start;
      if (end >= 0 && end - this.#start <= limit) {
        const head = this.#buffer.subarray(this.#start, end);
        this.#start = end;
        return head;
      }
      if (size >= limit) throw new EarlyEnd(`a head is longer than ${limit} bytes`);
      from = Math.max(0, size - 3);
      if (await this.more()) continue;
      if (size === 0) return undefined;
      throw new EarlyEnd("the peer ended within a head");
    }
  }
}

/** Where the bytes from `from` to `to` have their first empty line's end; -1 where they have none. */
function endOfHead(bytes: Uint8Array, from: number, to: number): number {
  for (let at = bytes.indexOf(13, from); at >= 0 && at + 4 <= to; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

/** Writes all of `bytes`. */
export async function writeAll(
  to: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(at === 0 ? bytes : bytes.subarray(at));
}
