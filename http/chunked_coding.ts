/**
 * Where a body in the chunked transfer coding ends (RFC 9112 §7.1). Hot path: the bytes are looked at where they lie, and go on
 * unchanged; nothing is made for each chunk.
 */
import { HttpFormatError } from "./error.ts";
import { latin1, parseFieldLines } from "./field_lines.ts";

/** Bytes of a chunk's first line: its size and its extensions. */
const LONGEST_LINE = 1024;
const LONGEST_TRAILERS = 16 * 1024;
/** Hexadecimal digits of a chunk's size: what a number holds exactly. */
const MOST_DIGITS = 12;
const [TAB, LF, CR, SPACE, SEMICOLON] = [9, 10, 13, 32, 59];

/** Fields that a recipient could take for the head's (RFC 9110 §6.5.1) and then read the message differently. */
const notInTrailers: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "host",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

type Part = "size" | "spaces" | "extensions" | "lineEnd" | "data" | "dataCr" | "dataLf" | "trailers" | "done";

export class ChunkedCoding {
  #part: Part = "size";
  /** Of the chunk: digits of its size, its size, bytes of its line. */
  #digits = 0;
  #size = 0;
  #line = 0;
  /** Bytes of the chunk's data that are still to come. */
  #left = 0;
  /** Bytes of the trailer section. */
  #trailers: number[] = [];

  /** Whether the end has come. */
  get complete(): boolean {
    return this.#part === "done";
  }

  /**
   * Says how many of `bytes`, which continue those of the call before, belong to the body.
   * @throws {HttpFormatError} when the body is not chunked as it should be.
   */
  take(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && this.#part !== "done") {
      if (this.#part === "data") {
        const count = Math.min(this.#left, bytes.length - at);
        at += count;
        this.#left -= count;
        if (this.#left === 0) this.#part = "dataCr";
      } else this.#byte(bytes[at++] ?? 0);
    }
    return at;
  }

  #byte(byte: number): void {
    switch (this.#part) {
      case "dataCr":
        if (byte !== CR) throw new HttpFormatError("a chunk is longer than its size");
        this.#part = "dataLf";
        return;
      case "dataLf":
        if (byte !== LF) throw new HttpFormatError("a chunk is longer than its size");
        this.#startChunk();
        return;
      case "trailers":
        return this.#trailer(byte);
      default:
        return this.#sizeLine(byte);
    }
  }

  /** Reads "SIZE [; EXTENSIONS] CRLF". */
  #sizeLine(byte: number): void {
    if (++this.#line > LONGEST_LINE) {
      throw new HttpFormatError(`a chunk's line is longer than ${LONGEST_LINE} bytes`);
    }
    if (this.#part === "lineEnd") {
      if (byte !== LF) throw new HttpFormatError("a chunk's line has a bare CR");
      this.#left = this.#size;
      this.#part = this.#size === 0 ? "trailers" : "data";
    } else if (byte === CR && this.#digits > 0) this.#part = "lineEnd";
    else if (this.#part === "extensions") {
      if ((byte < SPACE && byte !== TAB) || byte === 127) {
        throw new HttpFormatError("a chunk's extensions are not valid");
      }
    } else if (byte === SEMICOLON && this.#digits > 0) this.#part = "extensions";
    else if ((byte === SPACE || byte === TAB) && this.#digits > 0) this.#part = "spaces";
    else {
      const digit = this.#part === "size" ? hexadecimal(byte) : -1;
      if (digit < 0 || ++this.#digits > MOST_DIGITS) {
        throw new HttpFormatError("a chunk's size is not valid: expected hexadecimal digits");
      }
      this.#size = this.#size * 16 + digit;
    }
  }

  #startChunk(): void {
    this.#part = "size";
    this.#digits = 0;
    this.#size = 0;
    this.#line = 0;
  }

  /** Collects the trailer section, which few messages have, until its empty line. */
  #trailer(byte: number): void {
    const trailers = this.#trailers;
    trailers.push(byte);
    const { length } = trailers;
    const isLineEnd = byte === LF && trailers[length - 2] === CR;
    const isEmptyLine = length === 2 || (trailers[length - 3] === LF && trailers[length - 4] === CR);
    if (!isLineEnd || !isEmptyLine) {
      if (length >= LONGEST_TRAILERS) {
        throw new HttpFormatError(`a body's trailers are longer than ${LONGEST_TRAILERS} bytes`);
      }
      return;
    }
    const bytes = Uint8Array.from(trailers);
    for (const { name } of parseFieldLines(bytes, latin1(bytes), 0, length - 2)) {
      if (notInTrailers.has(name)) throw new HttpFormatError(`the field ${name} must not be in the trailers`);
    }
    this.#part = "done";
    this.#trailers = [];
  }
}

function hexadecimal(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
