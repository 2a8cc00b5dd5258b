/**
 * From a stream to a socket. Hot path: the bytes are written from the connection's read buffer, as soon as they are
 * parsed; no promise a frame but the socket's own.
 */
import type { Transport } from "../../net/transport.ts";
import { asError } from "../frames/errors.ts";
import type { Inbox } from "../streams/inbox.ts";
import type { Direction, Over } from "./direction.ts";
import type { StreamState } from "../streams/stream_state.ts";

export class StreamDrain implements Direction {
  /** Bytes that came out of the stream so far. */
  carried = 0;
  readonly #stream: StreamState;
  readonly #inbox: Inbox;
  readonly #to: Transport;
  readonly #over: Over;
  /** A write, or the closing, is under way. */
  #busy = false;
  #done = false;

  constructor(from: StreamState, to: Transport, over: Over) {
    this.#stream = from;
    this.#inbox = from.inbox;
    this.#to = to;
    this.#over = over;
  }

  begin(): void {
    this.#inbox.watch(this.#step);
    this.#step();
  }

  readonly #step = (): void => {
    if (this.#done) return;
    if (this.#inbox.error !== undefined) return this.#finish(this.#inbox.error);
    if (this.#busy) return;
    // The answer came before any byte: an application must not take an error's text, or its end, for its service's.
    if (this.#stream.refused !== undefined) return this.#finish(this.#stream.refused);
    const bytes = this.#inbox.peek();
    if (bytes !== undefined) {
      this.#busy = true;
      this.#to.write(bytes).then(this.#wrote, this.#failed);
    } else if (this.#inbox.ended) {
      this.#busy = true;
      this.#to.closeWrite().then(() => this.#finish(), (error) => this.#finish(asError(error)));
    }
  };

  readonly #wrote = (length: number): void => {
    this.#busy = false;
    this.carried += length;
    this.#inbox.advance(length);
    this.#step();
  };

  readonly #failed = (error: unknown): void => {
    this.#busy = false;
    this.#inbox.advance(0);
    this.#finish(asError(error), this.#to);
  };

  #finish(error?: Error, by?: Transport): void {
    if (this.#done) return;
    this.#done = true;
    this.#inbox.watch(undefined);
    this.#over(error, by);
  }
}
