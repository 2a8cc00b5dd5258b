/** Reads a connection's beginning piece by piece, and keeps what came beyond. */

/** The peer ended, or said more than it may, before what was to be read was there. */
export class EarlyEnd extends Error {
  override name = "EarlyEnd";
}

type Source = { read(into: Uint8Array): Promise<number | null> };

export class ByteReader {
  readonly #source: Source;
  #buffer = new Uint8Array(4096);
  #start = 0;
  #end = 0;

  constructor(source: Source) {
    this.#source = source;
  }

  /** What has come and isn't taken yet; good until the next call. */
  get buffered(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Waits for more. False at the peer's end. @throws what reading throws */
  async more(): Promise<boolean> {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#end === this.#buffer.length) {
      const size = this.#end - this.#start;
      const to = this.#start > 0 ? this.#buffer : new Uint8Array(2 * this.#buffer.length);
      to.set(this.buffered);
      [this.#buffer, this.#start, this.#end] = [to, 0, size];
    }
    const count = await this.#source.read(this.#buffer.subarray(this.#end));
    this.#end += count ?? 0;
    return count !== null;
  }

  /** Takes `count` of what is buffered, as a copy. */
  take(count: number): Uint8Array<ArrayBuffer> {
    const taken = this.buffered.slice(0, count);
    this.#start += taken.length;
    return taken;
  }

  /** Exactly `count` bytes. @throws {EarlyEnd} */
  async exactly(count: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.buffered.length < count) {
      if (!await this.more()) throw new EarlyEnd("the peer ended too early");
    }
    return this.take(count);
  }

  /**
   * Up to and with the first empty line: the head of an HTTP message; undefined when the peer ended before it began.
   * @throws {EarlyEnd} when it ended in between, or `limit` bytes had none.
   */
  async head(limit: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (let from = 0;;) {
      const end = endOfHead(this.buffered, from);
      if (end !== undefined && end <= limit) return this.take(end);
      if (this.buffered.length >= limit) throw new EarlyEnd(`a head is longer than ${limit} bytes`);
      from = Math.max(0, this.buffered.length - 3);
      if (await this.more()) continue;
      if (this.buffered.length === 0) return undefined;
      throw new EarlyEnd("the peer ended within a head");
    }
  }
}

function endOfHead(bytes: Uint8Array, from: number): number | undefined {
  for (let at = bytes.indexOf(13, from); at >= 0; at = bytes.indexOf(13, at + 1)) {
    if (bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return undefined;
}

/** Writes all of `bytes`. */
export async function writeAll(
  to: { write(bytes: Uint8Array): Promise<number> },
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}
