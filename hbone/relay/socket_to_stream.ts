/**
 * Copies from a socket to a stream. Hot path: bytes are read behind room for a frame's header, so that large reads are sent
 * from where they lie; small ones are copied into the connection's next write. The buffer is small while the socket is
 * quiet, since a waiting read pins it, and grows as reads fill it.
 */
import type { Transport } from "../../net/transport.ts";
import { asError, wantsNoMore } from "../frames/errors.ts";
import { FRAME_HEADER } from "../frames/frame.ts";
import type { Outbox } from "../sending/outbox.ts";
import { type BufferPool, ONE_FRAME, SMALLEST } from "../frames/pool.ts";
import type { Direction, Over } from "./direction.ts";
import type { Piece } from "../sending/send_queue.ts";
import type { StreamState } from "../streams/stream_state.ts";

/** Buffer sizes in bytes, from that of a quiet socket to that of a busy one. */
const SIZES = [SMALLEST, 16 * 1024, ONE_FRAME] as const;
/**
 * Bytes of one read, which becomes one frame. With its header, and 16 bytes for those of a port-forward, it makes four whole
 * TLS records (RFC 8446 section 5.1); one byte more makes a fifth, which each hop on the way reads and writes separately.
 */
const WHOLE_RECORDS = 64 * 1024 - FRAME_HEADER - 16;
/** Up to so many bytes, copying into a common write is cheaper than a separate write. */
const COPIED = 32 * 1024;

export class SocketToStream implements Direction, Piece {
  /** As a Piece: the buffer, and the part of it that is lent, from the frame's header on. */
  bytes: Uint8Array<ArrayBuffer>;
  start = 0;
  end = 0;

  readonly #from: Transport;
  readonly #outbox: Outbox;
  readonly #pool: BufferPool;
  readonly #over: Over;
  /** `bytes` after the room for the header. */
  #view: Uint8Array<ArrayBuffer>;
  /** The end of the bytes that were read. */
  #limit = 0;
  /** Index of the buffer's size in SIZES. */
  #size = 0;
  /** Who may write to the buffer or read from it. */
  #holder: "socket" | "queue" | "us" | "pool" = "us";
  #done = false;
  /** Bytes that the stream had sent before. */
  readonly #before: number;

  /** @throws TypeError when the stream has no response yet. */
  constructor(from: Transport, to: StreamState, over: Over) {
    if (!to.mayWrite) throw new TypeError("respond to the stream before you relay it");
    this.#from = from;
    this.#outbox = to.outbox;
    this.#before = to.outbox.sent;
    this.#pool = to.host.pool;
    this.#over = over;
    this.bytes = this.#pool.take(SMALLEST);
    this.#view = this.bytes.subarray(FRAME_HEADER);
  }

  get carried(): number {
    return this.#outbox.sent - this.#before;
  }

  begin(): void {
    this.#outbox.watch(this.#changed);
    this.#changed();
    if (!this.#done) this.#read();
  }

  /** The queue has written what was lent. */
  sent(error?: Error): void {
    this.#holder = "us";
    if (this.#done) return this.#giveBack();
    if (error !== undefined) return this.#finish(error, "to");
    // The rest's header overwrites what has gone.
    this.start = this.end - FRAME_HEADER;
    this.#send();
  }

  /** There may be room, or the stream broke. */
  readonly #changed = (): void => {
    const { error } = this.#outbox;
    if (error !== undefined) this.#finish(wantsNoMore(error) ? undefined : error, "to");
    else if (this.#holder === "us" && this.#limit > 0) this.#send();
  };

  #read(): void {
    this.#limit = 0;
    this.#holder = "socket";
    this.#from.read(this.#view).then(this.#came, this.#failed);
  }

  readonly #came = (length: number | null): void => {
    this.#holder = "us";
    if (this.#done) return this.#giveBack();
    if (length === null) {
      this.#outbox.end().then(() => this.#finish(), (error) => this.#finish(asError(error), "to"));
      return;
    }
    this.start = 0;
    this.#limit = FRAME_HEADER + length;
    this.#send();
  };

  readonly #failed = (error: unknown): void => {
    this.#holder = "us";
    if (this.#done) return this.#giveBack();
    this.#finish(asError(error), "from");
  };

  /** Sends what lies in the buffer, as far as it goes now; reads on when all is gone. */
  #send(): void {
    for (let left = this.#limit - this.start - FRAME_HEADER; left > 0;) {
      if (left > COPIED) {
        this.end = this.#limit;
        this.#holder = "queue";
        if (!this.#outbox.lend(this)) this.#holder = "us";
        return;
      }
      const taken = this.#outbox.take(this.bytes, this.start + FRAME_HEADER, this.#limit);
      if (taken === 0) return;
      this.start += taken;
      left -= taken;
    }
    if (this.#done) return;
    this.#fit();
    this.#read();
  }

  /** A larger buffer after a full read, a smaller one after a small one. */
  #fit(): void {
    const length = this.#limit - FRAME_HEADER;
    let size = this.#size;
    if (length === this.#view.length) size = Math.min(size + 1, SIZES.length - 1);
    else if (size > 0 && length < this.#view.length / 4) size--;
    if (size === this.#size) return;
    this.#size = size;
    this.#pool.give(this.bytes);
    this.bytes = this.#pool.take(SIZES[size] as number);
    this.#view = this.bytes.subarray(FRAME_HEADER, FRAME_HEADER + (this.#from.part ?? WHOLE_RECORDS));
  }

  #finish(error?: Error, by?: "from" | "to"): void {
    if (this.#done) return;
    this.#done = true;
    this.#outbox.watch(undefined);
    if (this.#holder === "us") this.#giveBack();
    this.#over(error, by);
  }

  /** Only once nobody else may write to it or read from it. */
  #giveBack(): void {
    if (this.#holder !== "us") return;
    this.#holder = "pool";
    this.#pool.give(this.bytes);
  }
}
