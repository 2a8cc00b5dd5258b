/**
 * Capsules (RFC 9297 §3.2): a type, a length and a value, one behind another in a stream. pmz sends DATAGRAM capsules with the context
 * id 0, which carry the payload of a UDP datagram (RFC 9298 §5), and skips all others.
 *
 * Hot path: a capsule that lies in one piece is neither copied nor kept; one small view for each datagram.
 */
import { readVarint, varintLength, writeVarint } from "./varint.ts";

/** The capsule type of HTTP Datagrams (RFC 9297 §3.5). */
const DATAGRAM = 0x00;
/** The context id of UDP payloads (RFC 9298 §4). */
const UDP_PAYLOAD = 0x00;
/** Bytes of the largest UDP payload in a capsule; a longer one ends the stream (RFC 9298 §5). */
export const LARGEST_PAYLOAD = 65_527;
/** Bytes of the longest context id. */
const LARGEST_CONTEXT = 8;
/** Bytes of the longest type and length. */
const LARGEST_HEAD = 16;
/** Bytes that a capsule has in front of a UDP payload, at most. */
export const DATAGRAM_HEAD = 6;

/** The peer's capsules are malformed, or exceed a limit: the stream has to be aborted (RFC 9297 §3.3). */
export class MalformedCapsule extends Error {
  override readonly name = "MalformedCapsule";
}

/** Writes what a capsule has in front of a UDP payload of so many bytes: type, length, context id. Returns how many bytes that is. */
export function writeDatagramHead(into: Uint8Array, payload: number): number {
  into[0] = DATAGRAM;
  const at = writeVarint(into, 1, payload + 1);
  into[at] = UDP_PAYLOAD;
  return at + 1;
}

/** Received bytes, as a stream of hbone has them. */
export interface ByteSource {
  /** All bytes that are there. */
  readonly unread: number;
  /** The first of them that lie in one piece; valid until `advance`. */
  peek(): Uint8Array | undefined;
  advance(bytes: number): void;
}

/** Reads UDP payloads from a stream's capsules as they come. Until a capsule is whole, its bytes stay where they are. */
export class CapsuleReader {
  readonly #source: ByteSource;
  readonly #received: (payload: Uint8Array) => void;
  /** The beginning of a capsule whose type and length aren't whole yet. */
  #head: Uint8Array<ArrayBuffer> | undefined;
  #headLength = 0;
  /** Bytes of the value of a DATAGRAM capsule whose type and length were read; -1 between capsules. */
  #value = -1;
  /** Bytes of a capsule of another type that are still to be skipped. */
  #skip = 0;

  /** @param received called with each payload, which is valid during the call only */
  constructor(source: ByteSource, received: (payload: Uint8Array) => void) {
    this.#source = source;
    this.#received = received;
  }

  /** Reads all whole capsules that are there. @throws {MalformedCapsule} */
  read(): void {
    for (let piece = this.#source.peek(); piece !== undefined; piece = this.#source.peek()) {
      if (this.#skip > 0) this.#skipIn(piece);
      else if (this.#value >= 0) {
        if (!this.#readValue(piece)) return;
      } else this.#readPiece(piece);
    }
  }

  /**
   * The stream has ended, and all that came was read. A DATAGRAM capsule that isn't whole is a datagram that was lost: a peer that closes
   * a flow may have sent half of what waited (RFC 9297 §3.3 has it malformed or incomplete).
   * @throws {MalformedCapsule} when it ended within another capsule
   */
  end(): void {
    if (this.#skip > 0 || this.#headLength > 0 && this.#head?.[0] !== DATAGRAM) {
      throw new MalformedCapsule("the stream ended within a capsule");
    }
  }

  /** Reads the capsules that lie whole in a piece. What begins behind them is left for the next call, or its head is kept. */
  #readPiece(piece: Uint8Array): void {
    if (this.#headLength > 0) return this.#continueHead(piece);
    let at = 0;
    while (at < piece.length) {
      const lengthAt = at + varintLength(piece[at] as number);
      const valueAt = lengthAt < piece.length ? lengthAt + varintLength(piece[lengthAt] as number) : Infinity;
      if (valueAt > piece.length) {
        this.#keepHead(piece, at);
        at = piece.length;
        break;
      }
      const length = readVarint(piece, lengthAt);
      this.#begin(readVarint(piece, at), length);
      at = valueAt;
      if (this.#value < 0 || at + length > piece.length) break; // read() continues with the value
      this.#value = -1;
      this.#deliver(piece, at, at + length);
      at += length;
    }
    this.#source.advance(at);
  }

  /** Takes over a capsule's type and length. @throws {MalformedCapsule} */
  #begin(type: number, length: number): void {
    if (type !== DATAGRAM) {
      if (length > Number.MAX_SAFE_INTEGER) throw new MalformedCapsule("a capsule has no end");
      this.#skip = length;
      return;
    }
    if (length > LARGEST_PAYLOAD + LARGEST_CONTEXT) {
      throw new MalformedCapsule(
        `a DATAGRAM capsule of ${length} bytes: expected ${LARGEST_PAYLOAD + 1} at most`,
      );
    }
    if (length === 0) throw noContext();
    this.#value = length;
  }

  #keepHead(piece: Uint8Array, at: number): void {
    this.#head ??= new Uint8Array(LARGEST_HEAD);
    this.#head.set(piece.subarray(at));
    this.#headLength = piece.length - at;
  }

  /** Adds a byte to a head that came in parts. */
  #continueHead(piece: Uint8Array): void {
    const head = this.#head as Uint8Array<ArrayBuffer>;
    head[this.#headLength++] = piece[0] as number;
    this.#source.advance(1);
    const lengthAt = varintLength(head[0] as number);
    if (this.#headLength <= lengthAt) return;
    if (this.#headLength < lengthAt + varintLength(head[lengthAt] as number)) return;
    this.#head = undefined;
    this.#headLength = 0;
    this.#begin(readVarint(head, 0), readVarint(head, lengthAt));
  }

  #skipIn(piece: Uint8Array): void {
    const skipped = Math.min(this.#skip, piece.length);
    this.#skip -= skipped;
    this.#source.advance(skipped);
  }

  /** Reads a value whose head was read. Returns false if it isn't all there. */
  #readValue(piece: Uint8Array): boolean {
    const length = this.#value;
    if (this.#source.unread < length) return false;
    this.#value = -1;
    if (piece.length >= length) {
      this.#deliver(piece, 0, length);
      this.#source.advance(length);
    } else this.#deliver(this.#assemble(length), 0, length);
    return true;
  }

  /** Copies a value that lies in several pieces: about one of each frame. */
  #assemble(length: number): Uint8Array {
    const whole = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const piece = this.#source.peek();
      if (piece === undefined) break; // `unread` said that there are as many
      const taken = Math.min(piece.length, length - at);
      whole.set(taken === piece.length ? piece : piece.subarray(0, taken), at);
      this.#source.advance(taken);
      at += taken;
    }
    return whole;
  }

  /** @throws {MalformedCapsule} */
  #deliver(bytes: Uint8Array, start: number, end: number): void {
    const first = bytes[start];
    if (first === undefined || start + varintLength(first) > end) throw noContext();
    const payload = start + varintLength(first);
    // Datagrams of other contexts belong to extensions that pmz doesn't have (RFC 9298 §4).
    if (readVarint(bytes, start) !== UDP_PAYLOAD) return;
    if (end - payload > LARGEST_PAYLOAD) {
      throw new MalformedCapsule(
        `a UDP payload of ${end - payload} bytes: expected ${LARGEST_PAYLOAD} at most`,
      );
    }
    this.#received(bytes.subarray(payload, end));
  }
}

function noContext(): MalformedCapsule {
  return new MalformedCapsule("a DATAGRAM capsule without a context id");
}
