/**
 * Takes SPDY/3.1 frames apart as their bytes come, cut anywhere.
 *
 * Hot path: each byte of a tunnel passes here. Nothing is allocated per frame, and data isn't touched: the reader tells how many of the
 * bytes that follow belong to which stream.
 */
import { FIN, FRAME, FRAME_HEADER, SpdyError } from "./frames.ts";

/** What frames tell, apart from their data. */
export interface FrameEvents {
  /** A data frame has ended; all of its bytes were passed. */
  dataDone(stream: number): void;
  /** The peer has ended its direction of a stream. */
  finished(stream: number): void;
  reset(stream: number, status: number): void;
  pinged(id: number): void;
}

/** Bytes of a control frame's payload that are looked at: RST_STREAM has a stream and a status. */
const LOOKED_AT = 8;

export class FrameReader {
  readonly #events: FrameEvents;
  readonly #bytes = new Uint8Array(FRAME_HEADER + LOOKED_AT);
  readonly #view = new DataView(this.#bytes.buffer);
  /** Bytes of the header, and of a control frame's payload, that have come. */
  #have = 0;
  /** Bytes of a control frame's payload that are skipped. */
  #skip = 0;
  #fin = false;
  #data = 0;
  #stream = 0;

  constructor(events: FrameEvents) {
    this.#events = events;
  }

  /** Bytes of data that come next. While there are any, {@linkcode FrameReader.pass} has to be called and not `read`. */
  get data(): number {
    return this.#data;
  }

  /** The stream that the next data belongs to. */
  get stream(): number {
    return this.#stream;
  }

  /** `size` bytes of data were taken. */
  pass(size: number): void {
    this.#data -= size;
    if (this.#data === 0) this.#dataDone();
  }

  /**
   * Reads headers and control frames from bytes[from, to).
   *
   * @returns where it stopped: before the data of a frame, after a control frame, or at `to`
   * @throws SpdyError for frames of another version, frames that no server of a port-forward sends, and wrong lengths.
   */
  read(bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      if (this.#skip > 0) {
        const size = Math.min(this.#skip, to - at);
        this.#skip -= size;
        at += size;
        continue;
      }
      this.#bytes[this.#have++] = bytes[at++]!; // `at` is below `to`
      if (this.#have < FRAME_HEADER) continue;
      if (this.#have === FRAME_HEADER) {
        if ((this.#bytes[0]! & 0x80) === 0) {
          this.#beginData();
          return at;
        }
        this.#check();
      }
      const length = this.#length;
      if (this.#have === FRAME_HEADER + Math.min(length, LOOKED_AT)) {
        this.#have = 0;
        this.#skip = Math.max(0, length - LOOKED_AT);
        this.#control();
        return at;
      }
    }
    return at;
  }

  get #length(): number {
    return this.#view.getUint32(4) & 0xff_ffff;
  }

  get #type(): number {
    return this.#view.getUint16(2);
  }

  #beginData(): void {
    this.#have = 0;
    this.#stream = this.#view.getUint32(0);
    this.#fin = (this.#bytes[4]! & FIN) !== 0;
    this.#data = this.#length;
    if (this.#data === 0) this.#dataDone();
  }

  #dataDone(): void {
    this.#events.dataDone(this.#stream);
    if (this.#fin) this.#events.finished(this.#stream);
  }

  /** A control frame's header, as soon as it has come. */
  #check(): void {
    const version = this.#view.getUint16(0) & 0x7fff;
    if (version !== 3) throw new SpdyError(`a frame of SPDY version ${version}`);
    const length = this.#length, type = this.#type;
    const least = LEAST[type];
    if (least === undefined) throw new SpdyError(`a SPDY frame of kind ${type}`);
    const exact = type === FRAME.rstStream || type === FRAME.ping;
    if (length < least || exact && length > least) {
      throw new SpdyError(`a SPDY frame of kind ${type} with ${length} bytes`);
    }
  }

  /**
   * Deals with a control frame, except for the part that is skipped. Header blocks are skipped: replies to a port-forward's streams carry
   * nothing, and their common compression matters only to a reader that decodes them.
   */
  #control(): void {
    const type = this.#type;
    const stream = this.#view.getUint32(FRAME_HEADER) & 0x7fff_ffff;
    if (type === FRAME.rstStream) {
      this.#events.reset(stream, this.#view.getUint32(FRAME_HEADER + 4));
    } else if (type === FRAME.ping) {
      this.#events.pinged(this.#view.getUint32(FRAME_HEADER));
    } else if ((type === FRAME.synReply || type === FRAME.headers) && (this.#bytes[4]! & FIN) !== 0) {
      this.#events.finished(stream);
    }
    // GOAWAY refuses further streams, and there are none; those that are open continue. SETTINGS, WINDOW_UPDATE: see frames.ts.
  }
}

/** The shortest payload of each control frame that a server of a port-forward may send, in bytes. It opens no streams. */
const LEAST: Readonly<Record<number, number>> = {
  [FRAME.synReply]: 4,
  [FRAME.rstStream]: 8,
  [FRAME.settings]: 4,
  [FRAME.ping]: 4,
  [FRAME.goaway]: 4,
  [FRAME.headers]: 4,
  [FRAME.windowUpdate]: 8,
};
