import type { ByteReader } from "../../http/byte_reader.ts";
import type { AbortableTransport } from "../../net/transport.ts";
import { WrappedTransport } from "../../net/wrapped_transport.ts";

/** A transport of which some bytes were read ahead: they are read first, then the transport itself. */
export class UnreadTransport extends WrappedTransport {
  #reader: ByteReader | undefined;
  #before: Promise<unknown> | undefined;

  /** @param before nothing is read until it has settled */
  constructor(inner: AbortableTransport, reader: ByteReader, before?: Promise<unknown>) {
    super(inner);
    this.#reader = reader;
    this.#before = before?.catch(() => {});
  }

  override read(into: Uint8Array): Promise<number | null> {
    return this.#reader ? this.#readAhead(this.#reader, into) : this.inner.read(into);
  }

  async #readAhead(reader: ByteReader, into: Uint8Array): Promise<number | null> {
    await this.#before;
    if (reader.buffered.length === 0) {
      if (!reader.reading) {
        this.#reader = undefined;
        return await this.inner.read(into);
      }
      if (!await reader.more()) return null;
    }
    const bytes = reader.buffered.subarray(0, into.length);
    into.set(bytes);
    reader.skip(bytes.length);
    return bytes.length;
  }
}
