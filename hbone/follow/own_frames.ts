/** Frames that relay itself puts into a connection that it follows, each as its bytes. */
import {
  Flag,
  FRAME_HEADER,
  FrameType,
  MIN_MAX_FRAME_SIZE,
  writeFrameHeader,
  writeUint32,
} from "../frames/frame.ts";
import type { TableSizes } from "../hpack/decoder.ts";

const INITIAL_WINDOW_SIZE = 0x4;

export function ownFrame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, stream);
  bytes.set(payload, FRAME_HEADER);
  return bytes;
}

export function windowUpdate(stream: number, increment: number): Uint8Array {
  return ownFrame(FrameType.WINDOW_UPDATE, 0, stream, numbers(increment));
}

export function resetStream(stream: number, code: number): Uint8Array {
  return ownFrame(FrameType.RST_STREAM, 0, stream, numbers(code));
}

export function goAway(lastStream: number, code: number, debug = ""): Uint8Array {
  const head = numbers(lastStream, code);
  const text = new TextEncoder().encode(debug.slice(0, 256));
  return ownFrame(FrameType.GOAWAY, 0, 0, joined([head, text]));
}

/** SETTINGS that say how large the window of a stream is at first. */
export function windowSettings(bytes: number): Uint8Array {
  const payload = new Uint8Array(6);
  payload[1] = INITIAL_WINDOW_SIZE;
  writeUint32(payload, 2, bytes);
  return ownFrame(FrameType.SETTINGS, 0, 0, payload);
}

export function settingsAck(): Uint8Array {
  return ownFrame(FrameType.SETTINGS, Flag.ACK, 0, new Uint8Array(0));
}

/**
 * The frames of a header block: HEADERS, and CONTINUATION as needed.
 * @param priority the five bytes of a HEADERS frame's priority, or nothing
 */
export function headerFrames(
  stream: number,
  block: Uint8Array,
  { end, priority }: { readonly end: boolean; readonly priority: Uint8Array },
): Uint8Array {
  let type: number = FrameType.HEADERS;
  let flags = (end ? Flag.END_STREAM : 0) | (priority.length > 0 ? Flag.PRIORITY : 0);
  if (priority.length === 0 && block.length <= MIN_MAX_FRAME_SIZE) {
    return ownFrame(type, flags | Flag.END_HEADERS, stream, block);
  }
  const frames: Uint8Array[] = [];
  let payload = joined([priority, block]);
  do {
    const part = payload.subarray(0, MIN_MAX_FRAME_SIZE);
    payload = payload.subarray(part.length);
    if (payload.length === 0) flags |= Flag.END_HEADERS;
    frames.push(ownFrame(type, flags, stream, part));
    type = FrameType.CONTINUATION;
    flags = 0;
  } while (payload.length > 0);
  return joined(frames);
}

/** What a block begins with that sets these sizes of the table (RFC 7541 §6.3). */
export function sizeUpdates(sizes: TableSizes | undefined): Uint8Array {
  if (sizes === undefined) return new Uint8Array(0);
  const { smallest, last } = sizes;
  return new Uint8Array(smallest < last ? [...sizeUpdate(smallest), ...sizeUpdate(last)] : sizeUpdate(last));
}

function sizeUpdate(size: number): number[] {
  if (size < 31) return [0x20 | size];
  const bytes = [0x3f];
  let rest = size - 31;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return [...bytes, rest];
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function numbers(...all: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * all.length);
  all.forEach((value, i) => writeUint32(bytes, 4 * i, value));
  return bytes;
}
