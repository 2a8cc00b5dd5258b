import { Flag, FrameType, PREFACE, writeUint32 } from "../frames/frame.ts";
import type { Header } from "../frames/header.ts";
import { Encoder, type EncoderOptions } from "../hpack/encoder.ts";
import type { SendQueue } from "./send_queue.ts";
import { encodeSettings, type Settings } from "../frames/settings.ts";

const NOTHING = new Uint8Array(0);

/** Queues every frame but DATA. */
export class FrameWriter {
  readonly #queue: SendQueue;
  readonly #encoder: Encoder;

  constructor(queue: SendQueue, encoder: EncoderOptions = {}) {
    this.#queue = queue;
    this.#encoder = new Encoder(encoder);
  }

  preface(): void {
    this.#queue.raw(PREFACE);
  }

  settings(settings: Settings): void {
    this.#queue.frame(FrameType.SETTINGS, 0, 0, encodeSettings(settings));
  }

  settingsAck(): void {
    this.#queue.frame(FrameType.SETTINGS, Flag.ACK, 0, NOTHING);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE, in bytes. */
  setMaxTableSize(bytes: number): void {
    this.#encoder.setMaxTableSize(bytes);
  }

  /** Queues HEADERS, and CONTINUATION as needed. @throws TypeError for headers that can't be sent; then nothing is queued. */
  headers(stream: number, headers: readonly Header[], end: boolean): void {
    const block = this.#encoder.encode(headers);
    const most = this.#queue.maxFrame;
    let flags = end ? Flag.END_STREAM : 0;
    let type: number = FrameType.HEADERS;
    for (let at = 0; at === 0 || at < block.length; at += most) {
      if (at + most >= block.length) flags |= Flag.END_HEADERS;
      this.#queue.frame(type, flags, stream, block.subarray(at, at + most));
      type = FrameType.CONTINUATION;
      flags = 0;
    }
  }

  reset(stream: number, code: number): void {
    this.#number(FrameType.RST_STREAM, stream, code);
  }

  /** Announces `increment` bytes more; stream 0 is the connection. */
  windowUpdate(stream: number, increment: number): void {
    this.#number(FrameType.WINDOW_UPDATE, stream, increment);
  }

  ping(payload: Uint8Array, ack: boolean): void {
    this.#queue.frame(FrameType.PING, ack ? Flag.ACK : 0, 0, payload);
  }

  goaway(lastStream: number, code: number, debug: string): void {
    const text = new TextEncoder().encode(debug.slice(0, 256));
    const payload = new Uint8Array(8 + text.length);
    writeUint32(payload, 0, lastStream);
    writeUint32(payload, 4, code);
    payload.set(text, 8);
    this.#queue.frame(FrameType.GOAWAY, 0, 0, payload);
  }

  #number(type: number, stream: number, value: number): void {
    const payload = new Uint8Array(4);
    writeUint32(payload, 0, value);
    this.#queue.frame(type, 0, stream, payload);
  }
}
