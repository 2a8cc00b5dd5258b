/** Puts a message together in a buffer that is used again for the next one. Hot path: bytes of the received head are copied once. */
import type { FieldLine } from "./field_lines.ts";

export class HeadWriter {
  #bytes = new Uint8Array(2048);
  #length = 0;

  /** What was written since {@linkcode HeadWriter.clear}; good until the next call. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): this {
    this.#length = 0;
    return this;
  }

  /** Writes text of which each character is one byte. */
  text(text: string): this {
    this.#reserve(text.length);
    const bytes = this.#bytes;
    const start = this.#length;
    for (let at = 0; at < text.length; at++) bytes[start + at] = text.charCodeAt(at);
    this.#length = start + text.length;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Writes field lines as they lie in `from`, those that follow each other at once. */
  fieldLines(fields: readonly FieldLine[], from: Uint8Array): this {
    for (let at = 0; at < fields.length;) {
      const start = fields[at]?.start;
      let end = fields[at++]?.end;
      while (at < fields.length && fields[at]?.start === end) end = fields[at++]?.end;
      this.bytes(from.subarray(start, end));
    }
    return this;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.written);
    this.#bytes = larger;
  }
}
