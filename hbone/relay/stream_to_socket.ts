/**
 * Copies from a stream to a socket. Hot path: bytes are written from the connection's read buffer as soon as they are
 * parsed, with no promise per frame but that of the socket's write.
 */
import type { Transport } from "../../net/transport.ts";
import { asError } from "../frames/errors.ts";
import type { Inbox } from "../streams/inbox.ts";
import type { Direction, Over } from "./direction.ts";
import type { StreamState } from "../streams/stream_state.ts";

export class StreamToSocket implements Direction {
  readonly #stream: StreamState;
  readonly #inbox: Inbox;
  readonly #to: Transport;
  readonly #over: Over;
  /** True while a write, or the end of the direction, is under way. */
  #busy = false;
  #done = false;
  /** Bytes that had been read from the stream before. */
  readonly #before: number;

  constructor(from: StreamState, to: Transport, over: Over) {
    this.#stream = from;
    this.#inbox = from.inbox;
    this.#before = from.inbox.received;
    this.#to = to;
    this.#over = over;
  }

  get carried(): number {
    return this.#inbox.received - this.#before;
  }

  begin(): void {
    this.#inbox.watch(this.#step);
    this.#step();
  }

  readonly #step = (): void => {
    if (this.#done) return;
    if (this.#inbox.error !== undefined) return this.#finish(this.#inbox.error, "from");
    if (this.#busy) return;
    // The answer came before any byte: an application must not take an error's text, or its end, for its service's.
    if (this.#stream.refused !== undefined) return this.#finish(this.#stream.refused, "from");
    const bytes = this.#inbox.peek();
    if (bytes !== undefined) {
      this.#busy = true;
      this.#to.write(bytes).then(this.#wrote, this.#failed);
    } else if (this.#inbox.ended) {
      this.#busy = true;
      this.#to.closeWrite().then(() => this.#finish(), this.#failed);
    }
  };

  readonly #wrote = (length: number): void => {
    this.#busy = false;
    this.#inbox.advance(length);
    this.#step();
  };

  readonly #failed = (error: unknown): void => {
    this.#busy = false;
    this.#inbox.advance(0); // what was lent goes back
    this.#finish(asError(error), "to");
  };

  #finish(error?: Error, by?: "from" | "to"): void {
    if (this.#done) return;
    this.#done = true;
    this.#inbox.watch(undefined);
    this.#over(error, by);
  }
}
