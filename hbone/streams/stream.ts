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

  /** Same as close(). */
  [Symbol.dispose](): void {
    this.close();
  }
}
