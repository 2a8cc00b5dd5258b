/**
 * Carries a request from a server's stream to a client's connection, and its answer back: informational responses, content, trailers,
 * and the code of a reset, in both directions. The two flow-control windows are joined, so that a slow end slows its own stream only.
 *
 * Hot path: bytes are copied from the read buffer of one connection to the next write of the other. Nothing is allocated for a frame.
 */
import type { Connection } from "../connection/connection.ts";
import { ErrorCode, StreamReset } from "../frames/errors.ts";
import type { Header } from "../frames/header.ts";
import { state, type Stream } from "../streams/stream.ts";
import type { StreamState } from "../streams/stream_state.ts";

/**
 * Opens a stream like `asked` on `connection` and joins the two.
 * @returns the stream that was opened
 * @throws as {@linkcode Connection.open}; then nothing has become of `asked`
 */
export function forward(asked: Stream, connection: Connection): Stream {
  const from = asked[state];
  const opened = connection.open(from.request, { end: from.endedWithRequest });
  new Forwarding(from, opened[state]).begin();
  return opened;
}

class Forwarding {
  readonly #asked: StreamState;
  readonly #opened: StreamState;
  #requestDone = false;
  #responseDone = false;
  /** The rest of the request can't be sent, though its answer came whole (RFC 9113 §8.1). */
  #unwanted = false;

  constructor(asked: StreamState, opened: StreamState) {
    this.#asked = asked;
    this.#opened = opened;
  }

  begin(): void {
    const [asked, opened] = [this.#asked, this.#opened];
    opened.onResponse = this.#respond;
    asked.inbox.watch(this.#request);
    opened.outbox.watch(this.#request);
    opened.inbox.watch(this.#response);
    asked.outbox.watch(this.#response);
    this.#request();
  }

  readonly #respond = (headers: readonly Header[], isFinal: boolean, end: boolean): void => {
    if (isFinal) this.#asked.respond(headers, end);
    else this.#asked.inform(headers);
  };

  readonly #request = (): void => {
    if (this.#requestDone) return;
    const [asked, opened] = [this.#asked, this.#opened];
    if (asked.inbox.error !== undefined) return this.#askerBroke(asked.inbox.error);
    if (opened.outbox.error !== undefined) return this.#answererBroke(opened.outbox.error);
    if (!pass(asked, opened)) return;
    this.#requestDone = true;
    this.#unwatch();
  };

  readonly #response = (): void => {
    if (this.#responseDone) return;
    const [asked, opened] = [this.#asked, this.#opened];
    if (asked.outbox.error !== undefined) return this.#askerBroke(asked.outbox.error);
    if (opened.inbox.error !== undefined) return this.#answererBroke(opened.inbox.error);
    if (!pass(opened, asked)) return;
    this.#responseDone = true;
    if (this.#unwanted) asked.reset(ErrorCode.NO_ERROR);
    this.#unwatch();
  };

  #askerBroke(error: Error): void {
    this.#requestDone = this.#responseDone = true;
    this.#unwatch();
    this.#opened.reset(codeOf(error, ErrorCode.CANCEL), error);
  }

  #answererBroke(error: Error): void {
    this.#requestDone = true;
    if (this.#opened.inbox.ended && this.#opened.inbox.error === undefined) {
      this.#unwanted = true;
      if (!this.#responseDone) return;
      this.#unwatch();
      return this.#asked.reset(ErrorCode.NO_ERROR);
    }
    this.#responseDone = true;
    this.#unwatch();
    this.#asked.reset(codeOf(error, ErrorCode.INTERNAL_ERROR), error);
  }

  /** Both directions are done: the streams hold nothing of this any more. */
  #unwatch(): void {
    if (!this.#requestDone || !this.#responseDone) return;
    for (const { inbox, outbox } of [this.#asked, this.#opened]) {
      inbox.watch(undefined);
      outbox.watch(undefined);
    }
  }
}

/** Passes on what can be now. @returns whether that was the end */
function pass(from: StreamState, to: StreamState): boolean {
  from.inbox.passTo(to.outbox);
  if (!from.inbox.ended || from.inbox.buffered > 0) return false;
  if (from.trailers !== undefined) to.endWithTrailers(from.trailers);
  // It can't wait here, since all bytes were taken. A stream that broke meanwhile says so by itself.
  else to.outbox.end().catch(() => {});
  return true;
}

/** A peer's own reason is passed on. */
function codeOf(error: Error, otherwise: ErrorCode): number {
  return error instanceof StreamReset ? error.code : otherwise;
}
