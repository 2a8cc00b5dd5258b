/**
 * The layout of frames (RFC 9113 §4 and §6): numbers and bytes, no state.
 *
 * Hot path. Callers check indexes, since they know the length: `as number` tells the compiler so.
 */

import { ConnectionError, ErrorCode } from "./errors.ts";

export const FRAME_HEADER = 9;
/** Where a frame's header has its flags. */
export const FRAME_FLAGS = 4;
/** Bytes in a frame's payload that every peer takes (RFC 9113 §4.2). */
export const MIN_MAX_FRAME_SIZE = 16_384;
export const MAX_MAX_FRAME_SIZE = 16_777_215;
/** The largest flow-control window (RFC 9113 §6.9.1). */
export const MAX_WINDOW = 0x7fffffff;
/** The window that streams and the connection begin with (RFC 9113 §6.9.2). */
export const DEFAULT_WINDOW = 65_535;
export const MAX_STREAM_ID = 0x7fffffff;

/** What a client sends first (RFC 9113 §3.4). */
export const PREFACE: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const FrameType = {
  DATA: 0x0,
  HEADERS: 0x1,
  PRIORITY: 0x2,
  RST_STREAM: 0x3,
  SETTINGS: 0x4,
  PUSH_PROMISE: 0x5,
  PING: 0x6,
  GOAWAY: 0x7,
  WINDOW_UPDATE: 0x8,
  CONTINUATION: 0x9,
  /** pmz's extension frame: the sender continues on its other lane (lanes.ts). It has no payload and stream 0; other peers ignore it. */
  LANE: 0xb0,
} as const;

export const Flag = {
  ACK: 0x1,
  END_STREAM: 0x1,
  END_HEADERS: 0x4,
  PADDED: 0x8,
  PRIORITY: 0x20,
} as const;

/** Writes a frame's header of nine bytes at `at`. */
export function writeFrameHeader(
  into: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  into[at] = length >>> 16;
  into[at + 1] = length >>> 8;
  into[at + 2] = length;
  into[at + 3] = type;
  into[at + 4] = flags;
  writeUint32(into, at + 5, stream);
}

export function writeUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

export function readUint32(from: Uint8Array, at: number): number {
  return (((from[at] as number) << 24) | ((from[at + 1] as number) << 16) | ((from[at + 2] as number) << 8) |
    (from[at + 3] as number)) >>> 0;
}

/** 31 bits: stream identifiers and window increments, whose first bit is reserved and ignored. */
export function readUint31(from: Uint8Array, at: number): number {
  return readUint32(from, at) & 0x7fffffff;
}

export function readUint24(from: Uint8Array, at: number): number {
  return ((from[at] as number) << 16) | ((from[at + 1] as number) << 8) | (from[at + 2] as number);
}

/** @throws ConnectionError FRAME_SIZE_ERROR for a payload of another length. */
export function expectLength(name: string, payload: Uint8Array, length: number): void {
  if (payload.length === length) return;
  throw new ConnectionError(ErrorCode.FRAME_SIZE_ERROR, `${name} of ${payload.length} bytes, not ${length}`);
}
