import type { AbortableTransport } from "../../net/transport.ts";
import { ErrorCode } from "../frames/errors.ts";
import type { Header } from "../frames/header.ts";
import type { StreamEnd, StreamState } from "./stream_state.ts";

/** Where the parts of hbone find what lies behind a stream; not for others. */
export const state: unique symbol = Symbol("state");

/** One stream of a connection: a Transport of its own, opened with headers and answered with headers. */
export class Stream implements AbortableTransport {
  readonly [state]: StreamState;

  constructor(behind: StreamState) {
    this[state] = behind;
  }

  get id(): number {
    return this[state].id;
  }

  /** Bytes that were written into it and went to the connection's queue. */
  get sent(): number {
    return this[state].outbox.sent;
  }

  /** Bytes that came out of it and were read. */
  get received(): number {
    return this[state].inbox.received;
  }

  /** The headers it was opened with, by us or by the peer: ":method", ":authority" and so on first. */
  get request(): readonly Header[] {
    return this[state].request;
  }

  /**
   * The final response's headers, ":status" first. Rejects with StreamReset or ConnectionClosed when there will be none;
   * that needn't be caught.
   */
  get response(): Promise<readonly Header[]> {
    return this[state].response;
  }

  /** Settles when both directions are over, however; never rejects. */
  get closed(): Promise<StreamEnd> {
    return this[state].closed;
  }

  /**
   * Answers, once, before anything is written.
   * @throws TypeError in the client's role, the second time, or for headers that can't be sent.
   */
  respond(headers: readonly Header[], options: { end?: boolean } = {}): void {
    this[state].respond(headers, options.end ?? false);
  }

  /** As Transport's: a reset or a broken connection rejects (StreamReset, ConnectionClosed), only the peer's END_STREAM is null. */
  read(into: Uint8Array): Promise<number | null> {
    return this[state].inbox.read(into);
  }

  /** As Transport's: settles once the bytes were taken into the connection's bounded queue, as far as the peer's windows admit. */
  write(bytes: Uint8Array): Promise<number> {
    return this[state].write(bytes);
  }

  /** Sends END_STREAM, once all that was written before has been sent. */
  closeWrite(): Promise<void> {
    return this[state].closeWrite();
  }

  /** Ends both directions: END_STREAM if nothing waits to be sent, and a reset where the peer may still send. */
  close(): void {
    this[state].close();
  }

  /** Breaks both directions off with a code that says it was the connection beyond that broke (RFC 9113 §8.5). */
  abort(reason?: Error): void {
    this[state].abort(reason);
  }

  /** Breaks both directions off with RST_STREAM; does nothing when the stream is over. */
  reset(code: ErrorCode): void {
    this[state].reset(code);
  }

  /** As close(). */
  [Symbol.dispose](): void {
    this.close();
  }
}
