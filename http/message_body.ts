/** Where the body of a message ends in bytes that come in pieces (RFC 9112 §6). The bytes go on unchanged: they are only counted. */
import type { BodyLength } from "./body_length.ts";
import { ChunkedCoding } from "./chunked_coding.ts";

export class MessageBody {
  readonly length: BodyLength;
  /** Bytes of a body with a length that are still to come. */
  #left: number;
  readonly #chunks: ChunkedCoding | undefined;

  constructor(length: BodyLength) {
    this.length = length;
    this.#left = length.kind === "length" ? length.length : Infinity;
    this.#chunks = length.kind === "chunked" ? new ChunkedCoding() : undefined;
  }

  /** Whether its end has come. One that lasts until the connection closes never is complete. */
  get complete(): boolean {
    return this.#chunks?.complete ?? this.#left === 0;
  }

  /**
   * Says how many of `bytes`, which continue those of the call before, belong to the body.
   * @throws {HttpFormatError} when a chunked body breaks its own rules.
   */
  take(bytes: Uint8Array): number {
    if (this.#chunks) return this.#chunks.take(bytes);
    const count = Math.min(this.#left, bytes.length);
    this.#left -= count;
    return count;
  }
}
