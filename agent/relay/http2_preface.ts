/** How an HTTP/2 connection begins (RFC 9113 §3.4): what its client sends first, and what an HTTP/2 server says to that. */
import { type ByteReader, writeAll } from "../../http/byte_reader.ts";
import type { Upstream } from "./upstream.ts";

export const PREFACE: Uint8Array = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
/** Milliseconds that a server has to answer the preface. One that takes longer may wait for more than it. */
const ANSWER_MS = 5_000;
/** Bytes of a frame's header, and of the largest frame for a peer whose settings aren't known. */
export const FRAME_HEADER = 9;
const LARGEST = 16_384;
const SETTINGS = 4;

/**
 * Sends the preface to a server, and nothing else yet: one that speaks HTTP/1.1 answers it as it would answer the caller's own.
 * @returns whether it answers with SETTINGS. What it says is still to be read.
 */
export async function answersPreface({ transport, reader }: Upstream): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => timer = setTimeout(resolve, ANSWER_MS, false));
  try {
    await writeAll(transport, PREFACE);
    return await Promise.race([late, saysSettings(reader)]);
  } catch {
    return false; // the raw connection shows it too
  } finally {
    clearTimeout(timer);
  }
}

async function saysSettings(reader: ByteReader): Promise<boolean> {
  for (;;) {
    const answer = beginsWithSettings(reader.buffered);
    if (answer !== "more") return answer === "yes";
    if (!await reader.more()) return false;
  }
}

/** The first frame of a server, which is to be read still; undefined where it ends before. */
export async function firstFrame(reader: ByteReader): Promise<Uint8Array | undefined> {
  for (;;) {
    const [b0 = 0, b1 = 0, b2 = 0] = reader.buffered;
    const whole = FRAME_HEADER + ((b0 << 16) | (b1 << 8) | b2);
    if (reader.available >= FRAME_HEADER && reader.available >= whole) {
      return reader.buffered.subarray(0, whole);
    }
    if (!await reader.more()) return undefined;
  }
}

/** Whether bytes begin with the header of a SETTINGS frame that isn't an acknowledgement; `more` while they may come to. */
export function beginsWithSettings(bytes: Uint8Array): "yes" | "no" | "more" {
  const [b0 = 0, b1 = 0, b2 = 0, type = SETTINGS, flags = 0, ...stream] = bytes.subarray(0, FRAME_HEADER);
  const length = (b0 << 16) | (b1 << 8) | b2;
  if (length > LARGEST || type !== SETTINGS || flags !== 0 || stream.some((byte) => byte !== 0)) return "no";
  if (bytes.length >= 3 && length % 6 !== 0) return "no";
  return bytes.length < FRAME_HEADER ? "more" : "yes";
}
