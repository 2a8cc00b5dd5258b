/**
 * SPDY/3.1 frames as far as port-forward needs them: one TCP connection's two streams, opened from here.
 *
 * Format: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ §2. What kubelets and runtimes speak
 * (moby/spdystream) has no flow control: WINDOW_UPDATE and SETTINGS mean nothing to it, a reader that doesn't read stops the connection.
 */
import { headerBlock } from "./header_block.ts";

/** Bytes of any frame's header. */
export const FRAME_HEADER = 8;
/** The flag on the last frame of a stream's direction; the same bit for data and control frames. */
export const FIN = 1;

export const FRAME = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** A peer broke SPDY/3.1. */
export class SpdyError extends Error {
  override name = "SpdyError";
}

/** Writes the header of a data frame of `length` bytes (below 2^24) to `bytes[at]`. */
export function writeDataHeader(
  bytes: Uint8Array,
  at: number,
  stream: number,
  flags: number,
  length: number,
): void {
  bytes[at] = stream >>> 24;
  bytes[at + 1] = stream >>> 16;
  bytes[at + 2] = stream >>> 8;
  bytes[at + 3] = stream;
  bytes[at + 4] = flags;
  bytes[at + 5] = length >>> 16;
  bytes[at + 6] = length >>> 8;
  bytes[at + 7] = length;
}

/** A control frame, whole. */
export function controlFrame(type: number, flags: number, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(FRAME_HEADER + payload.length);
  writeDataHeader(frame, 0, 0x8003_0000 | type, flags, payload.length); // the control bit, version 3, the type
  frame.set(payload, FRAME_HEADER);
  return frame;
}

/**
 * SYN_STREAM: opens a stream.
 *
 * @param first the connection's first: header blocks of one direction are one compressed stream, which begins in it.
 */
export function synStream(
  stream: number,
  flags: number,
  headers: Readonly<Record<string, string>>,
  first: boolean,
): Uint8Array<ArrayBuffer> {
  const block = headerBlock(headers, first);
  const payload = new Uint8Array(10 + block.length);
  new DataView(payload.buffer).setUint32(0, stream); // no stream it belongs to, priority 0, slot 0
  payload.set(block, 10);
  return controlFrame(FRAME.synStream, flags, payload);
}

/** The answer to a PING is the same frame. */
export function ping(id: number): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, id);
  return controlFrame(FRAME.ping, 0, payload);
}
