/** DNS messages over TCP: each with its length in 16 bits before it (RFC 1035 §4.2.2), any number of them (RFC 7766). */
import { LONGEST_DNS_MESSAGE } from "./message.ts";

type Reader = { read(into: Uint8Array): Promise<number | null> };
type Writer = { write(bytes: Uint8Array): Promise<number> };

/** The messages that arrive, until the peer ends its direction. @throws the errors of reading */
export async function* readMessages(from: Reader): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(2 + LONGEST_DNS_MESSAGE);
  let filled = 0;
  for (;;) {
    const size = 2 + ((buffer[0] ?? 0) << 8 | (buffer[1] ?? 0));
    if (filled >= 2 && filled >= size) {
      yield buffer.slice(2, size);
      buffer.copyWithin(0, size, filled);
      filled -= size;
      continue;
    }
    const count = await from.read(buffer.subarray(filled));
    if (count === null) return;
    filled += count;
  }
}

/** Writes whole messages to one connection, one after the other, also for several senders. */
export class MessageWriter {
  readonly #to: Writer;
  #last: Promise<void> = Promise.resolve();

  constructor(to: Writer) {
    this.#to = to;
  }

  /** Settles when the message is written. @throws the errors of writing, also of a message before this one */
  send(message: Uint8Array): Promise<void> {
    const framed = new Uint8Array(2 + message.length);
    new DataView(framed.buffer).setUint16(0, message.length);
    framed.set(message, 2);
    this.#last = this.#last.then(() => this.#all(framed));
    // The next sender sees the failure; until then it must not count as unhandled.
    this.#last.catch(() => {});
    return this.#last;
  }

  async #all(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#to.write(bytes.subarray(at));
  }
}
