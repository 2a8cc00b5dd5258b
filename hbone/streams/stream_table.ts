import { ConnectionError, ErrorCode } from "../frames/errors.ts";
import { MAX_STREAM_ID } from "../frames/frame.ts";
import type { StreamState } from "./stream_state.ts";

/** Closed streams that are remembered, to tell what was on its way from what must not come: those that ended, and those that we reset. */
const ENDED = 1024;
/** Some times as many as may be open: all can be reset at once, with bytes on their way. */
const RESET = 16_384;

/** The streams of a connection: those that are open, and what is known of those that were (RFC 9113 §5.1). */
export class StreamTable {
  readonly open = new Map<number, StreamState>();
  /** Streams that are closed, though nobody has read all that came on them. */
  readonly unread = new Set<StreamState>();
  /** The largest stream that the peer opened. */
  lastPeerStream = 0;
  /** Streams of the peer above it are refused: we sent GOAWAY. */
  lastAccepted = MAX_STREAM_ID;
  /** The stream that this end opens next. */
  next = 1;
  readonly #role: "client" | "server";
  /** Oldest first. */
  readonly #ended = new Set<number>();
  readonly #reset = new Set<number>();

  constructor(role: "client" | "server") {
    this.#role = role;
  }

  /** A stream that only the peer can have opened now. */
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
   * Judges a frame for a stream that isn't open: true when it may be ignored, false when it is an error of that stream.
   * @throws ConnectionError PROTOCOL_ERROR when the stream was never open.
   */
  mayIgnore(id: number): boolean {
    const initiator = id % 2 === 1 ? "client" : "server";
    const opened = initiator === this.#role ? id < this.next : id <= this.lastPeerStream;
    if (id === 0 || !opened || initiator === "server") {
      throw new ConnectionError(ErrorCode.PROTOCOL_ERROR, `a frame for stream ${id}, which was never opened`);
    }
    // It was on its way when we reset the stream.
    return this.#reset.has(id);
  }

  /** The stream was open lately. */
  remembers(id: number): boolean {
    return this.#ended.has(id) || this.#reset.has(id);
  }

  /** Streams that hold bytes which nobody took, the most first. */
  byBuffered(): StreamState[] {
    return [...this.open.values(), ...this.unread].filter((stream) => stream.inbox.buffered > 0)
      .sort((a, b) => b.inbox.buffered - a.inbox.buffered);
  }
}
