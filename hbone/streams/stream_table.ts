import { ConnectionError, ErrorCode } from "../frames/errors.ts";
import { MAX_STREAM_ID } from "../frames/frame.ts";
import type { StreamState } from "./stream_state.ts";

/** Closed streams that are remembered, to tell late frames from forbidden ones: those that ended, and those that this end reset. */
const ENDED = 1024;
/** Several times the limit of open streams, since all can be reset at once with bytes in flight. */
const RESET = 16_384;

/** The open streams of a connection, and what is remembered of closed ones (RFC 9113 §5.1). */
export class StreamTable {
  readonly open = new Map<number, StreamState>();
  /** Closed streams with bytes that aren't read yet. */
  readonly unread = new Set<StreamState>();
  /** The largest id of a stream that the peer opened. */
  lastPeerStream = 0;
  /** The peer's streams above this id are refused, since this end sent GOAWAY. */
  lastAccepted = MAX_STREAM_ID;
  /** The id of the next stream that this end opens. */
  next = 1;
  readonly #role: "client" | "server";
  /** Oldest first. */
  readonly #ended = new Set<number>();
  readonly #reset = new Set<number>();

  constructor(role: "client" | "server") {
    this.#role = role;
  }

  /** Whether a frame on this id opens a new stream of the peer. */
  isNew(id: number): boolean {
    return this.#role === "server" && id % 2 === 1 && id > this.lastPeerStream;
  }

  close(stream: StreamState, resetByUs: boolean): void {
    this.open.delete(stream.id);
    if (stream.inbox.buffered > 0) this.unread.add(stream);
    this.remember(stream.id, resetByUs);
  }

  remember(id: number, resetByUs: boolean): void {
    const closed = resetByUs ? this.#reset : this.#ended;
    closed.add(id);
    if (closed.size <= (resetByUs ? RESET : ENDED)) return;
    const oldest = closed.keys().next();
    if (!oldest.done) closed.delete(oldest.value);
  }

  /**
   * Judges a frame for a stream that isn't open: true if it can be ignored, false if it is an error of that stream.
   * @throws ConnectionError PROTOCOL_ERROR when the stream was never open.
   */
  mayIgnore(id: number): boolean {
    const initiator = id % 2 === 1 ? "client" : "server";
    const opened = initiator === this.#role ? id < this.next : id <= this.lastPeerStream;
    if (id === 0 || !opened || initiator === "server") {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame for stream ${id}, which was never opened`);
    }
    // It was in flight when this end reset the stream.
    return this.#reset.has(id);
  }

  /** Whether the stream was open recently. */
  remembers(id: number): boolean {
    return this.#ended.has(id) || this.#reset.has(id);
  }

  /** Streams with unread bytes, the fullest first. */
  byBuffered(): StreamState[] {
    return [...this.open.values(), ...this.unread].filter((stream) => stream.inbox.buffered > 0)
      .sort((a, b) => b.inbox.buffered - a.inbox.buffered);
  }
}
