import { ConnectionError, ErrorCode, StreamError } from "./errors.ts";
import { Flag, FrameType, readUint31 } from "./frame.ts";
import type { Limits } from "./limits.ts";

/** A header block, assembled from HEADERS and its CONTINUATION frames (RFC 9113 §6.2 and §6.10). */
export interface HeaderBlock {
  readonly stream: number;
  readonly endStream: boolean;
  /** Valid until the next frame. */
  readonly bytes: Uint8Array;
  /** Set when the stream is malformed. The block must be decompressed all the same, to keep the table in step. */
  readonly error: StreamError | undefined;
}

/** Assembles header blocks. A connection has at most one incomplete block. */
export class HeaderBlocks {
  readonly #limits: Limits;
  #stream = 0;
  #endStream = false;
  #error: StreamError | undefined;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** @throws ConnectionError when a block is incomplete and this frame doesn't continue it. */
  expect(type: number, stream: number): void {
    const continues = type === FrameType.CONTINUATION;
    if (continues ? this.#stream === stream && stream !== 0 : this.#stream === 0) return;
    throw new ConnectionError(
      ErrorCode.PROTOCOL_ERROR,
      continues ? "CONTINUATION without HEADERS" : "a frame within a header block",
    );
  }

  /** Takes a HEADERS frame; returns the block if it is complete. */
  headers(stream: number, flags: number, payload: Uint8Array): HeaderBlock | undefined {
    let start = 0;
    let end = payload.length;
    if (flags & Flag.PADDED) {
      const padding = payload[0];
      if (padding === undefined) throw tooShort();
      start = 1;
      end -= padding;
    }
    this.#error = undefined;
    if (flags & Flag.PRIORITY) {
      if (end - start < 5) throw tooShort();
      if (readUint31(payload, start) === stream) this.#error = dependsOnItself();
      start += 5;
    }
    if (end < start) throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, "padding longer than its HEADERS");
    this.#endStream = (flags & Flag.END_STREAM) !== 0;
    return this.#add(stream, flags, payload.subarray(start, end));
  }

  /** Takes a CONTINUATION frame; returns the block if it is complete. */
  continuation(stream: number, flags: number, payload: Uint8Array): HeaderBlock | undefined {
    return this.#add(stream, flags, payload);
  }

  #add(stream: number, flags: number, part: Uint8Array): HeaderBlock | undefined {
    this.#size += part.length;
    if (this.#size > this.#limits.headerBlock || this.#parts.length > this.#limits.continuations) {
      throw new ConnectionError(
        ErrorCode.ENHANCE_YOUR_CALM,
        `a header block of more than ${this.#limits.headerBlock} bytes or ${this.#limits.continuations} frames`,
      );
    }
    if ((flags & Flag.END_HEADERS) === 0) {
      this.#stream = stream;
      this.#parts.push(part.slice());
      return undefined;
    }
    let bytes = part;
    if (this.#parts.length > 0) {
      this.#parts.push(part);
      bytes = new Uint8Array(this.#size);
      let at = 0;
      for (const each of this.#parts) {
        bytes.set(each, at);
        at += each.length;
      }
      this.#parts = [];
    }
    this.#stream = 0;
    this.#size = 0;
    return { stream, endStream: this.#endStream, bytes, error: this.#error };
  }
}

/** RFC 9113 deprecates priorities, yet a stream that depends on itself was always an error (RFC 7540 §5.3.1). */
export function dependsOnItself(): StreamError {
  return new StreamError(ErrorCode.PROTOCOL_ERROR, "a stream that depends on itself");
}

function tooShort(): ConnectionError {
  return new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, "HEADERS shorter than its flags say");
}
