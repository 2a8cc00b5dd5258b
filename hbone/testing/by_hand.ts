/** For tests: a peer that sends frames by hand, right and wrong ones. */
import { Connection, type ConnectionOptions } from "../connection/connection.ts";
import { errorName } from "../frames/errors.ts";
import {
  Flag,
  FRAME_HEADER,
  FrameType,
  PREFACE,
  readUint24,
  readUint31,
  readUint32,
  writeFrameHeader,
  writeUint32,
} from "../frames/frame.ts";
import { Encoder } from "../hpack/encoder.ts";
import { memoryPair } from "./memory_transport.ts";
import type { Stream } from "../streams/stream.ts";
import { turn, writeAll } from "./pair.ts";

export interface Frame {
  type: number;
  flags: number;
  stream: number;
  payload: Uint8Array;
}

const NOTHING = new Uint8Array(0);
export const REQUEST = [[":method", "CONNECT"], [":authority", "a:1"]] as const;

/** A frame as it goes over the wire. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = NOTHING,
): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER + payload.length);
  writeFrameHeader(bytes, 0, payload.length, type, flags, stream);
  bytes.set(payload, FRAME_HEADER);
  return bytes;
}

export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

/** HEADERS of one frame that need no table. */
export function headers(
  stream: number,
  list: readonly (readonly [string, string])[] = REQUEST,
  flags: number = Flag.END_HEADERS,
) {
  return frame(FrameType.HEADERS, flags, stream, new Encoder({ index: "never" }).encode(list));
}

/** A peer by hand at a connection of ours: in the client's role where ours is the server, the other way round else. */
export async function byHand(options: Partial<ConnectionOptions> = {}) {
  const [near, far] = memoryPair();
  const streams: Stream[] = [];
  const role = options.role ?? "server";
  const connection = new Connection(far, {
    onStream: (stream) => {
      streams.push(stream);
    },
    ...options,
    role,
  });
  const frames: Frame[] = [];
  const reading = readFrames(near, frames, role === "client" ? PREFACE.length : 0);
  if (role === "server") await writeAll(near, PREFACE);
  await writeAll(near, frame(FrameType.SETTINGS, 0, 0));
  return {
    connection,
    /** What the peer opened. */
    streams,
    /** What our side sent. */
    frames,
    /** Sends nothing more. */
    hangUp: () => near.closeWrite(),
    async send(...all: Uint8Array[]) {
      for (const bytes of all) await writeAll(near, bytes);
      await turn();
    },
    /** The code of the first GOAWAY or RST_STREAM. */
    code: (type: number) => {
      const found = frames.find((each) => each.type === type);
      if (found === undefined) return "nothing";
      return errorName(readUint32(found.payload, type === FrameType.GOAWAY ? 4 : 0));
    },
    async [Symbol.asyncDispose]() {
      near.close();
      connection.abort();
      await connection.closed;
      await reading;
    },
  };
}

/** Reads frames until the transport ends or breaks. */
export async function readFrames(
  from: { read(into: Uint8Array): Promise<number | null> },
  into: Frame[],
  skip = 0,
): Promise<void> {
  let bytes = new Uint8Array(0);
  const buffer = new Uint8Array(256 * 1024);
  try {
    for (let length = await from.read(buffer); length !== null; length = await from.read(buffer)) {
      const joined = new Uint8Array(bytes.length + length);
      joined.set(bytes);
      joined.set(buffer.subarray(0, length), bytes.length);
      const skipped = Math.min(skip, joined.length);
      skip -= skipped;
      bytes = joined.subarray(skipped);
      while (bytes.length >= FRAME_HEADER && bytes.length >= FRAME_HEADER + readUint24(bytes, 0)) {
        const end = FRAME_HEADER + readUint24(bytes, 0);
        const payload = bytes.slice(FRAME_HEADER, end);
        into.push({ type: bytes[3] ?? 0, flags: bytes[4] ?? 0, stream: readUint31(bytes, 5), payload });
        bytes = bytes.slice(end);
      }
    }
  } catch {
    // The other end closed.
  }
}
