/**
 * A UDP flow over a CONNECT-UDP stream (RFC 9298).
 *
 * Hot path: a datagram costs no promise and no closure in either direction. What is sent goes straight into the connection's next
 * write, where datagrams of one flow that follow each other share a DATA frame; what is received is a view of the connection's buffer.
 */
import type { Stream, StreamEnd } from "../hbone/mod.ts";
import { CapsuleReader, DATAGRAM_HEAD, LARGEST_PAYLOAD, writeDatagramHead } from "./capsule.ts";
import { DatagramQueue } from "./datagram_queue.ts";

/** The datagrams of one UDP flow, as capsules in a CONNECT-UDP stream. */
export class DatagramStream {
  readonly #stream: Stream;
  readonly #received: (payload: Uint8Array) => void;
  readonly #ending: (() => void) | undefined;
  readonly #reader: CapsuleReader;
  /** What waits to be sent; there once something has waited. */
  #queue: DatagramQueue | undefined;
  #isOpen = true;
  #bytesSent = 0;
  #bytesReceived = 0;
  #dropped = 0;

  /**
   * Owns the stream. A client may send before the server has answered, and a server receives before it has.
   * @param received called with each payload, which is valid during the call only; an error that it throws resets the stream
   * @param ending called when the peer has ended the flow, before this end does
   */
  constructor(stream: Stream, received: (payload: Uint8Array) => void, ending?: () => void) {
    this.#stream = stream;
    this.#received = received;
    this.#ending = ending;
    this.#reader = new CapsuleReader(stream, this.#deliver);
    stream.watch(this.#readable, this.#writable);
    this.#readable(); // bytes may have come before
  }

  /** Bytes of payloads that were handed to the connection, or wait for it. */
  get bytesSent(): number {
    return this.#bytesSent;
  }

  /** Bytes of payloads that were received. */
  get bytesReceived(): number {
    return this.#bytesReceived;
  }

  /** Datagrams that `send` has dropped. */
  get dropped(): number {
    return this.#dropped;
  }

  /** How the stream ended; never rejects. */
  get ended(): Promise<StreamEnd> {
    return this.#stream.closed;
  }

  /**
   * Queues a copy of the payload.
   * @returns false when it was dropped: more than QUEUE_BYTES wait to be sent, it is larger than a datagram can be, or the flow has ended
   * @throws {TypeError} when a server hasn't responded
   */
  send(payload: Uint8Array): boolean {
    const { length } = payload;
    if (this.#isOpen && length <= LARGEST_PAYLOAD) {
      const headLength = writeDatagramHead(head, length);
      const waits = this.#queue !== undefined && !this.#queue.isEmpty;
      if (!waits && this.#stream.takeMessage(head, headLength, payload) || this.#wait(headLength, payload)) {
        this.#bytesSent += length;
        return true;
      }
    }
    this.#dropped++;
    return false;
  }

  /** Ends the flow in order. What waits to be sent is dropped, as a network may do. */
  close(): void {
    if (!this.#isOpen) return;
    this.#end();
    if (this.#stream.answered) this.#stream.close();
    else endUnanswered(this.#stream);
  }

  /** Resets the stream. */
  abort(reason?: Error): void {
    this.#end();
    this.#stream.abort(reason);
  }

  #wait(headLength: number, payload: Uint8Array): boolean {
    this.#queue ??= new DatagramQueue(this.#stream.backlog);
    if (!this.#queue.add(head, headLength, payload)) return false;
    this.#queue.drainTo(this.#stream); // as far as it goes now; then the stream calls #writable
    return true;
  }

  readonly #writable = (): void => {
    if (this.#isOpen) this.#queue?.drainTo(this.#stream);
  };

  readonly #deliver = (payload: Uint8Array): void => {
    if (!this.#isOpen) return;
    this.#bytesReceived += payload.length;
    this.#received(payload);
  };

  readonly #readable = (): void => {
    if (!this.#isOpen) return;
    // What follows a refusal is an error's text.
    if (this.#stream.broken !== undefined) return this.close();
    try {
      this.#reader.read();
      if (!this.#isOpen || !this.#stream.ended) return;
      this.#reader.end();
      this.#ending?.();
      this.close();
    } catch (error) {
      this.abort(error instanceof Error ? error : new Error(String(error)));
      this.#stream.advance(0); // the piece that was being read goes back
    }
  };

  #end(): void {
    this.#isOpen = false;
    this.#queue?.clear();
    this.#stream.unwatch();
  }
}

/**
 * Ends a stream that waits for its answer. It isn't reset: many programs send one datagram and close their socket, and peers take many
 * resets before an answer for a flood.
 */
function endUnanswered(stream: Stream): void {
  const close = () => stream.close();
  stream.closeWrite().then(() => stream.response).then(close, close);
}

/** Where each capsule's head is written before it is copied: a buffer for each flow would cost memory, and nothing waits in between. */
const head = new Uint8Array(DATAGRAM_HEAD);
