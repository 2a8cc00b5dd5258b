/**
 * A client's WebSocket that carries binary messages (RFC 6455): pieces of messages in, whole messages out.
 *
 * Hot path: each byte of a tunnel passes here. Frames are told apart where they lie in the read buffer; nothing is copied or allocated
 * per frame.
 */
import { closeQuietly } from "../../net/close_quietly.ts";
import type { ServerConnection } from "../client/dial.ts";
import { ReadBuffer } from "./read_buffer.ts";
import {
  type FrameHeader,
  MAX_HEADER,
  OPCODE,
  readHeader,
  smallFrame,
  WebSocketError,
  writeHeader,
} from "./websocket.ts";

/** The longest frame that is accepted, in bytes. Servers send up to 32 KiB, and a frame is passed on as it arrives. */
const MAX_FRAME = 64 << 20;
/** Queued messages that may wait until they can be written; beyond them the oldest is dropped. */
const MAX_QUEUED = 16;
/** Milliseconds that a close of the WebSocket may take to be written. */
const CLOSE_MS = 200;
/** The payload of such a close: code 1000 (RFC 6455 §7.4.1). */
const NORMAL_CLOSURE = Uint8Array.of(1000 >> 8, 1000 & 0xff);

/** Free bytes that {@linkcode MessageSocket.send} needs before a message. */
export const HEADROOM = MAX_HEADER;

/** How the server closed the WebSocket. */
export interface Closed {
  /** RFC 6455 §7.4; 1005 when the server gave none. */
  readonly code: number;
  /** The server's words, on one line without control characters; often empty. */
  readonly reason: string;
}

/** One reader and one writer at a time. */
export class MessageSocket {
  readonly #connection: ServerConnection;
  readonly #incoming: ReadBuffer;
  /** Holds the present piece of a message: buffer[at, end). The reader moves `at` as it takes bytes. */
  readonly buffer: Uint8Array;
  at = 0;
  end = 0;
  /** Counts messages: the number of the one that the present piece belongs to. */
  message = 0;
  /** Bytes of the present frame's payload after `end`. */
  #left = 0;
  /** The present frame is its message's last. */
  #final = true;
  readonly #header: FrameHeader = { opcode: 0, final: false, length: 0, size: 0 };
  #closed: Closed | undefined;
  /** The answer to the latest ping, or to the close. */
  #answer: Uint8Array<ArrayBuffer> | undefined;
  #queued: Uint8Array<ArrayBuffer>[] = [];
  #sending = false;
  #flushing: Promise<void> | undefined;
  #ended = false;

  /** @param first frames that came with the answer to the upgrade */
  constructor(connection: ServerConnection, first: Uint8Array) {
    this.#connection = connection;
    this.#incoming = new ReadBuffer(connection, first);
    this.buffer = this.#incoming.bytes;
  }

  /** Set once the server has closed the WebSocket: no further piece follows. */
  get closed(): Closed | undefined {
    return this.#closed;
  }

  /** Whether the present piece is the last one of its message. */
  get endsMessage(): boolean {
    return this.#left === 0 && this.#final;
  }

  /**
   * Advances to the next piece when the present one has been read. A piece is empty only where it ends a message.
   *
   * @returns false when more bytes have to come, or the server has closed the WebSocket
   * @throws {WebSocketError} when the server breaks RFC 6455
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
      if (this.#closed || !this.#nextFrame()) return false;
      if (this.#left === 0 && this.#header.opcode < OPCODE.close && this.#final) return true;
    }
    return true;
  }

  /**
   * Reads more from the connection. The present piece must have been read.
   *
   * @throws whatever the connection throws
   * @throws {WebSocketError} when the connection ends without a close
   */
  async fill(): Promise<void> {
    const at = await this.#incoming.fill(this.at);
    if (at === null) throw new WebSocketError("the API server closed the connection in the middle");
    this.at = this.end = at;
  }

  /**
   * Sends buffer[from, to) as one message without copying it: the {@linkcode HEADROOM} bytes before it are overwritten.
   *
   * @throws whatever the connection throws
   */
  async send(buffer: Uint8Array, from: number, to: number): Promise<void> {
    this.#sending = true; // from here on nothing else begins to be written
    try {
      if (this.#flushing) await this.#flushing;
      let at = writeHeader(buffer, from, OPCODE.binary, to - from);
      while (at < to) at += await this.#connection.write(buffer.subarray(at, to));
    } finally {
      this.#sending = false;
      this.flush();
    }
  }

  /** Queues a small message. It is sent by the next `flush` that finds nothing else being written. */
  queue(message: Uint8Array): void {
    if (this.#queued.length === MAX_QUEUED) this.#queued.shift();
    this.#queued.push(smallFrame(OPCODE.binary, message));
  }

  /**
   * Sends pongs and queued messages, between other messages. A reader doesn't wait for it: with both ways full, each side would wait for the
   * other to read. It never throws: the next read or write tells what broke.
   */
  flush(): void {
    if (!this.#answer && this.#queued.length === 0) return;
    if (this.#sending || this.#flushing) return;
    const frames = this.#answer ? [this.#answer, ...this.#queued] : this.#queued;
    this.#answer = undefined;
    this.#queued = [];
    this.#flushing = (async () => {
      try {
        for (const frame of frames) {
          for (let at = 0; at < frame.length;) at += await this.#connection.write(frame.subarray(at));
        }
      } catch {
        // The connection broke.
      }
      this.#flushing = undefined;
      this.flush();
    })();
  }

  /**
   * Ends the connection, after a close of the WebSocket where nothing else is being written (RFC 6455 §7.1.1): kubelets log an
   * error for a connection without one. A close that can't be written at once is given up. Closing twice is fine.
   */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#incoming.stop();
    const end = () => {
      clearTimeout(limit);
      closeQuietly(this.#connection);
    };
    const limit = setTimeout(end, CLOSE_MS);
    if (this.#closed || this.#sending || this.#flushing) return end();
    this.#sending = true; // from here on nothing else begins to be written
    this.#connection.write(smallFrame(OPCODE.close, NORMAL_CLOSURE)).then(end, end);
  }

  /** Begins the next frame. A control frame is dealt with as a whole. False when more bytes have to come. */
  #nextFrame(): boolean {
    const header = this.#header;
    if (!readHeader(this.buffer, this.at, this.#incoming.have, header)) return false;
    if (header.opcode >= OPCODE.close) {
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
    if (!continues) this.message++;
    this.at = this.end = this.at + header.size;
    this.#left = header.length;
    this.#final = header.final;
    return true;
  }

  #control(opcode: number, payload: Uint8Array): void {
    if (opcode === OPCODE.ping) {
      this.#answer = smallFrame(OPCODE.pong, payload); // only the latest needs an answer (RFC 6455 §5.5.3)
    } else if (opcode === OPCODE.close) {
      const code = payload.length >= 2 ? payload[0]! << 8 | payload[1]! : 1005; // both are there
      const reason = new TextDecoder().decode(payload.subarray(2)).replace(/\s+/g, " ").replace(
        /\p{C}/gu,
        "",
      );
      this.#closed = { code, reason };
      this.#answer = smallFrame(OPCODE.close, payload.subarray(0, 2));
    } else if (opcode !== OPCODE.pong) {
      throw new WebSocketError(`the server sent a control frame of kind ${opcode}`);
    }
  }
}
