/**
 * The binary messages of a WebSocket as one stream of bytes in, and messages out.
 *
 * Hot path: each byte of a tunnel passes here. Frames are told apart where they lie in the read buffer; nothing is copied or allocated
 * per frame.
 */
import type { Connection } from "../../client/dial.ts";
import { ReadBuffer } from "../read_buffer.ts";
import {
  type FrameHeader,
  MAX_HEADER,
  OPCODE,
  readHeader,
  smallFrame,
  WebSocketError,
  writeHeader,
} from "../websocket.ts";

/** Of one frame that comes: API servers send up to 32 KiB. It is passed on as it arrives; a limit only tells nonsense early. */
const MAX_FRAME = 64 << 20;
/** Small messages of the protocol within that wait for the way out; the oldest is dropped then. */
const MAX_WAITING = 16;

/** Free bytes that {@linkcode MessageBytes.send} wants before a message. */
export const HEADROOM = MAX_HEADER;

export class MessageBytes {
  readonly #connection: Connection;
  readonly #incoming: ReadBuffer;
  readonly buffer: Uint8Array;
  /** The bytes of messages that lie ready: buffer[at, end). Whoever reads them moves `at`. */
  at = 0;
  end = 0;
  /** Bytes of the present frame's payload after `end`. */
  #left = 0;
  #final = true;
  readonly #header: FrameHeader = { opcode: 0, final: false, length: 0, size: 0 };
  #answer: Uint8Array<ArrayBuffer> | undefined;
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #writing: Promise<void> | undefined;

  /** @param first frames that came with the upgrade's answer. */
  constructor(connection: Connection, first: Uint8Array) {
    this.#connection = connection;
    this.#incoming = new ReadBuffer(connection, first);
    this.buffer = this.#incoming.bytes;
  }

  /**
   * Makes buffer[at, end) hold something, of what has come. False when more has to come.
   *
   * @throws WebSocketError when the server breaks RFC 6455, or closes the WebSocket: the protocol within ends before that.
   */
  next(): boolean {
    while (this.at === this.end) {
      if (this.#left > 0) {
        const size = Math.min(this.#left, this.#incoming.have - this.at);
        if (size === 0) return false;
        this.end += size;
        this.#left -= size;
        return true;
      }
      if (!this.#nextFrame()) return false;
    }
    return true;
  }

  /** Reads more from the connection. All that lay ready must have been read. @throws what the connection throws, and at its end */
  async fill(): Promise<void> {
    const at = await this.#incoming.fill(this.at);
    if (at === null) throw new WebSocketError("the API server closed the connection in the middle");
    this.at = this.end = at;
  }

  /** The connection is about to be closed here. */
  stop(): void {
    this.#incoming.stop();
  }

  /** Sends buffer[from, to) as one message, without copying it: the {@linkcode HEADROOM} bytes before are overwritten. */
  async send(buffer: Uint8Array, from: number, to: number): Promise<void> {
    while (this.#writing) await this.#writing.catch(() => {});
    const start = writeHeader(buffer, from, OPCODE.binary, to - from);
    const sent = this.#writing = this.#writeAll(buffer.subarray(start, to));
    try {
      await sent;
    } finally {
      this.#writing = undefined;
      this.flush();
    }
  }

  /** Sends a small message as soon as nothing else is being written; after `flush`. */
  queue(message: Uint8Array): void {
    if (this.#waiting.length === MAX_WAITING) this.#waiting.shift();
    this.#waiting.push(smallFrame(OPCODE.binary, message));
  }

  /**
   * Sends pongs and what was queued, between messages. Not awaited by who reads: were the way out full, both sides would wait for the other to
   * read. Never throws: the next read or write tells what is broken.
   */
  flush(): void {
    if (this.#writing || !this.#answer && this.#waiting.length === 0) return;
    const frames = this.#answer ? [this.#answer, ...this.#waiting] : this.#waiting;
    this.#answer = undefined;
    this.#waiting = [];
    const sent = this.#writing = (async () => {
      for (const frame of frames) await this.#writeAll(frame);
    })();
    sent.catch(() => {}).then(() => {
      this.#writing = undefined;
      this.flush();
    });
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    let sent = await this.#connection.write(bytes);
    while (sent < bytes.length) sent += await this.#connection.write(bytes.subarray(sent));
  }

  /** Begins the next frame; control frames are dealt with whole. False when more bytes have to come. */
  #nextFrame(): boolean {
    const header = this.#header;
    if (!readHeader(this.buffer, this.at, this.#incoming.have, header)) return false;
    if (header.opcode >= 8) {
      const start = this.at + header.size;
      if (this.#incoming.have - start < header.length) return false;
      this.at = this.end = start + header.length;
      this.#control(header.opcode, this.buffer.slice(start, this.at));
      return true;
    }
    const continues = header.opcode === OPCODE.continuation;
    if (continues === this.#final) {
      throw new WebSocketError("the server sent a message in the middle of another, or a part of none");
    }
    if (!continues && header.opcode !== OPCODE.binary) {
      throw new WebSocketError(`the server sent a frame of kind ${header.opcode}`);
    }
    if (header.length > MAX_FRAME) {
      throw new WebSocketError(`the server sent a frame of ${header.length} bytes`);
    }
    this.at = this.end = this.at + header.size;
    this.#left = header.length;
    this.#final = header.final;
    return true;
  }

  #control(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODE.ping) {
      this.#answer = smallFrame(OPCODE.pong, payload); // only the latest wants an answer (RFC 6455 §5.5.3)
    } else if (opcode === OPCODE.close) {
      const code = payload.length >= 2 ? payload[0]! << 8 | payload[1]! : 1005;
      // From outside, and goes to a terminal: one line without control characters.
      const reason = new TextDecoder().decode(payload.subarray(2)).replace(/\p{C}/gu, "");
      throw new WebSocketError(`the server closed it with code ${code}${reason ? `, "${reason}"` : ""}`);
    } else if (opcode !== OPCODE.pong) {
      throw new WebSocketError(`the server sent a control frame of kind ${opcode}`);
    }
  }
}
