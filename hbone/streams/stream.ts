import type { AbortableTransport } from "../../net/transport.ts";
import type { Header } from "../frames/header.ts";
import type { StreamEnd, StreamState } from "./stream_state.ts";

/** The key of a stream's internal state, for hbone's own modules only. */
export const state: unique symbol = Symbol("state");

/** One stream of a connection: a Transport that is opened with headers and answered with headers. */
export class Stream implements AbortableTransport {
  readonly [state]: StreamState;

  constructor(behind: StreamState) {
    this[state] = behind;
  }

  get id(): number {
    return this[state].id;
  }

  /** Bytes that were written and handed to the connection's queue. */
  get sent(): number {
    return this[state].outbox.sent;
  }

  /** Bytes that were received and read. */
  get received(): number {
    return this[state].inbox.received;
  }

  /** Bytes that were received and aren't read yet. */
  get unread(): number {
    return this[state].inbox.buffered;
  }

  /** The request's headers, sent by this end or the peer; pseudo-headers (":method", ":authority") come first. */
  get request(): readonly Header[] {
    return this[state].request;
  }

  /**
   * The final response's headers, ":status" first. Rejects with StreamReset or ConnectionClosed if none will come; such a
   * rejection needn't be caught.
   */
  get response(): Promise<readonly Header[]> {
    return this[state].response;
  }

  /** Resolves when both directions have ended, in order or not; never rejects. */
  get closed(): Promise<StreamEnd> {
    return this[state].closed;
  }

  /**
   * Sends the response headers: once, and before anything is written.
   * @throws TypeError in the client's role, the second time, or for headers that can't be sent.
   */
  respond(headers: readonly Header[], options: { end?: boolean } = {}): void {
    this[state].respond(headers, options.end ?? false);
  }

  /** Reads as Transport does. A reset or a broken connection rejects (StreamReset, ConnectionClosed); null means the peer's END_STREAM only. */
  read(into: Uint8Array): Promise<number | null> {
    return this[state].inbox.read(into);
  }

  /** Writes as Transport does. Settles once the bytes are in the connection's bounded queue, as far as the peer's windows admit. */
  write(bytes: Uint8Array): Promise<number> {
    return this[state].write(bytes);
  }

  /**
   * Takes over reading and writing without promises, for what carries many small messages; `read` and `write` can't be used then.
   * @param readable called when bytes, the end or a break came: see `peek`, `ended` and `broken`
   * @param writable called when bytes may be taken again, after `take` took fewer than all, and after a break
   */
  watch(readable: () => void, writable: () => void): void {
    this[state].inbox.watch(readable);
    this[state].outbox.watch(writable);
  }

  /** Undoes `watch`: nothing is called any more. */
  unwatch(): void {
    this[state].inbox.watch(undefined);
    this[state].outbox.watch(undefined);
  }

  /** The next received bytes, or undefined if there are none now. They are valid until `advance`. */
  peek(): Uint8Array | undefined {
    return this[state].inbox.peek();
  }

  /** Consumes so many of the bytes that `peek` returned. */
  advance(bytes: number): void {
    this[state].inbox.advance(bytes);
  }

  /** Whether the peer has sent END_STREAM; there may still be unread bytes before it. */
  get ended(): boolean {
    return this[state].inbox.ended;
  }

  /** Whether the final response was sent or received. */
  get answered(): boolean {
    return this[state].answered;
  }

  /** Why nothing more is received: the stream was reset or lost, or its CONNECT was refused. */
  get broken(): Error | undefined {
    return this[state].inbox.error ?? this[state].refused;
  }

  /**
   * Copies as many bytes as can be sent now, one frame at most. Returns 0 if they have to wait; `writable` is called then.
   * @throws TypeError when a server hasn't responded
   */
  take(bytes: Uint8Array, start: number, end: number): number {
    this.#checkWrite();
    return this[state].outbox.take(bytes, start, end);
  }

  /**
   * Copies all of a message, `head[0, headLength)` and `body`, if it can be sent now as a part of one frame; messages that are taken
   * in a row share a frame. Returns false, and has taken nothing, if it can't.
   * @throws TypeError when a server hasn't responded
   */
  takeMessage(head: Uint8Array, headLength: number, body: Uint8Array): boolean {
    this.#checkWrite();
    return this[state].outbox.takeMessage(head, headLength, body);
  }

  /** Bytes that the streams of the connection hold back until they can be sent, counted and limited by those that do so. */
  get backlog(): { bytes: number } {
    return this[state].host.queue.backlog;
  }

  /** Sends END_STREAM after all bytes written before. */
  closeWrite(): Promise<void> {
    return this[state].closeWrite();
  }

  /** Ends both directions: END_STREAM if nothing waits to be sent, and a reset where the peer may still send. */
  close(): void {
    this[state].close();
  }

  /** Resets the stream with a code that says the connection behind it broke (RFC 9113 §8.5). */
  abort(reason?: Error): void {
    this[state].abort(reason);
  }

  /** Resets the stream (RST_STREAM); does nothing once it has ended. */
  reset(code: number): void {
    this[state].reset(code);
  }

  #checkWrite(): void {
    if (!this[state].mayWrite) throw new TypeError("respond to the stream before you write to it");
  }

  /** Same as close(). */
  [Symbol.dispose](): void {
    this.close();
  }
}
