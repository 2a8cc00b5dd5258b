/** Where bodies of HTTP/1.1 messages end (RFC 9112 §6, §7): bytes go by unchanged, only counted. */

import { HttpFormatError } from "./error.ts";

export type BodyKind =
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  /** A response that goes on until the connection ends. */
  | { readonly kind: "untilEnd" };

export const noBody: BodyKind = { kind: "length", length: 0 };
export const chunked: BodyKind = { kind: "chunked" };
export const untilEnd: BodyKind = { kind: "untilEnd" };
export const lengthOf = (length: number): BodyKind => ({ kind: "length", length });

const LONGEST_LINE = 1024;
const LONGEST_TRAILERS = 16 * 1024;

/** Finds a body's end in bytes that come in pieces. */
export class BodyEnd {
  readonly #kind: BodyKind["kind"];
  /** Bytes of the body, or of the current chunk and the line end after it, that are still to come. */
  #left: number;
  #part: "size" | "data" | "trailers" | "done";
  #line = "";
  #trailers = 0;

  constructor(body: BodyKind) {
    this.#kind = body.kind;
    this.#left = body.kind === "length" ? body.length : 0;
    this.#part = body.kind === "chunked"
      ? "size"
      : this.#left === 0 && body.kind === "length"
      ? "done"
      : "data";
  }

  /** Whether the body is over. One that goes on until the end of its connection never is. */
  get done(): boolean {
    return this.#part === "done";
  }

  /**
   * How many of `bytes` still belong to the body.
   * @throws {HttpFormatError} when a chunked body breaks its own rules.
   */
  belongs(bytes: Uint8Array): number {
    if (this.#kind === "untilEnd") return bytes.length;
    let at = 0;
    while (at < bytes.length && this.#part !== "done") {
      if (this.#part !== "data") {
        this.#character(bytes[at] ?? 0);
        at++;
        continue;
      }
      const count = Math.min(this.#left, bytes.length - at);
      if (this.#kind === "chunked") this.#checkLineEnd(bytes, at, count);
      this.#left -= count;
      at += count;
      if (this.#left === 0) this.#part = this.#kind === "chunked" ? "size" : "done";
    }
    return at;
  }

  /** The last two bytes of a chunk's part are its line end. */
  #checkLineEnd(bytes: Uint8Array, at: number, count: number): void {
    for (let i = Math.max(0, this.#left - 2); i < count; i++) {
      if (bytes[at + i] !== (i === this.#left - 2 ? 13 : 10)) {
        throw new HttpFormatError("a chunk is longer than its size");
      }
    }
  }

  #character(byte: number): void {
    this.#line += String.fromCharCode(byte);
    if (byte !== 10) {
      if (this.#line.length > LONGEST_LINE) throw new HttpFormatError("a chunk's line is too long");
      return;
    }
    const line = this.#line;
    this.#line = "";
    if (!line.endsWith("\r\n")) throw new HttpFormatError("a chunk's line ends in a bare line feed");
    if (this.#part === "trailers") {
      this.#trailers += line.length;
      if (this.#trailers > LONGEST_TRAILERS) {
        throw new HttpFormatError("a chunked body's trailers are too long");
      }
      if (line === "\r\n") this.#part = "done";
      return;
    }
    const size = /^([0-9a-fA-F]{1,12})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n$/.exec(line)?.[1];
    if (size === undefined) throw new HttpFormatError("a chunk has no size");
    this.#left = parseInt(size, 16) + 2;
    this.#part = this.#left === 2 ? "trailers" : "data";
  }
}
