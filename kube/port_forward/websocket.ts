/**
 * WebSocket frames (RFC 6455 §5), as far as a client of binary messages over its own TLS connection needs them.
 *
 * Hot path: each byte of a tunnel passes here. Nothing is allocated per frame; headers are read and written in place.
 */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** The longest header of a frame that a client sends: 2 bytes, 8 of length, 4 of mask. */
export const MAX_HEADER = 14;

/** A peer broke RFC 6455. */
export class WebSocketError extends Error {
  override name = "WebSocketError";
}

/** What a frame's header says. One object is filled again for each frame. */
export interface FrameHeader {
  opcode: number;
  final: boolean;
  /** Bytes of payload. */
  length: number;
  /** Bytes of the header itself. */
  size: number;
}

/**
 * Reads the header of a frame that a server sent, at `bytes[from]`.
 *
 * @returns false when `bytes` up to `to` doesn't hold all of the header yet.
 * @throws {WebSocketError} for what a server may not send: reserved bits, a mask, long or fragmented control frames, lengths beyond 2^53
 */
export function readHeader(bytes: Uint8Array, from: number, to: number, header: FrameHeader): boolean {
  if (to - from < 2) return false;
  const first = bytes[from]!, second = bytes[from + 1]!; // within `to`, as are those below
  if ((first & 0x70) !== 0) {
    throw new WebSocketError("a frame with reserved bits (of an extension that wasn't negotiated)");
  }
  if ((second & 0x80) !== 0) throw new WebSocketError("a masked frame from a server");
  const opcode = first & 0x0f;
  const final = (first & 0x80) !== 0;
  let length = second & 0x7f;
  let size = 2;
  if (opcode >= 8 && (!final || length > 125)) {
    throw new WebSocketError("a control frame in parts or too long");
  }
  if (length === 126) {
    if (to - from < 4) return false;
    length = bytes[from + 2]! << 8 | bytes[from + 3]!;
    size = 4;
  } else if (length === 127) {
    if (to - from < 10) return false;
    if (bytes[from + 2]! !== 0 || bytes[from + 3]! > 0x1f) {
      throw new WebSocketError("a frame longer than 2^53 bytes");
    }
    length = 0;
    for (let at = from + 2; at < from + 10; at++) length = length * 256 + bytes[at]!;
    size = 10;
  }
  header.opcode = opcode;
  header.final = final;
  header.length = length;
  header.size = size;
  return true;
}

/**
 * Writes a client's frame header so that it ends before `bytes[end]`, where the payload begins. At least {@linkcode MAX_HEADER} bytes
 * before `end` have to be free.
 *
 * The mask is four zeros, so the payload is sent as it is. Masks keep scripts of web pages from planting bytes in intermediaries' caches
 * (RFC 6455 §10.3). Here the connection is the client's own, through TLS, and RFC 6455 §5.3 doesn't let a server refuse such a mask.
 *
 * @returns where the header begins.
 */
export function writeHeader(bytes: Uint8Array, end: number, opcode: number, length: number): number {
  const size = length < 126 ? 6 : length < 65_536 ? 8 : 14;
  const from = end - size;
  bytes[from] = 0x80 | opcode;
  if (size === 6) {
    bytes[from + 1] = 0x80 | length;
  } else if (size === 8) {
    bytes[from + 1] = 0x80 | 126;
    bytes[from + 2] = length >>> 8;
    bytes[from + 3] = length;
  } else {
    bytes[from + 1] = 0x80 | 127;
    let rest = length;
    for (let at = from + 9; at > from + 1; at--) {
      bytes[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  }
  bytes.fill(0, end - 4, end);
  return from;
}

/** Makes a whole small frame: a pong, a close, a short message. */
export function smallFrame(opcode: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(MAX_HEADER + payload.length);
  const from = writeHeader(bytes, MAX_HEADER, opcode, payload.length);
  bytes.set(payload, MAX_HEADER);
  return bytes.slice(from);
}
