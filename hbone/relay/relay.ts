import { closeQuietly } from "../../net/close_quietly.ts";
import type { AbortableTransport, Transport } from "../../net/transport.ts";
import { asError } from "../frames/errors.ts";
import type { Direction, Over } from "./direction.ts";
import { StreamToSocket } from "./stream_to_socket.ts";
import { SocketToStream } from "./socket_to_stream.ts";
import { state, Stream } from "../streams/stream.ts";

/** Bytes of the buffer between two ends when neither is a stream. */
const BUFFER = 64 * 1024;

export interface RelayEnd {
  /** Bytes that went from the first to the second, and back. */
  readonly aToB: number;
  readonly bToA: number;
  /** What broke first; undefined when both directions ended in order. */
  readonly error?: Error;
  /** Whose error that is. */
  readonly brokenBy?: "a" | "b";
}

/** Is told that a relay breaks, while the other end still stands. */
export interface BreakListener {
  breaking(): void;
}

/**
 * Carries bytes both ways between a socket and a stream (or any two) and closes both in the end. The end of one direction
 * is passed on as an end. An error of one side aborts the other (where it can be aborted; a stream never ends in order
 * then), and so does an answer to our own CONNECT other than 2xx (the error is a ConnectRefused).
 * @param listener called once when the relay breaks, before anything is aborted
 * @returns a promise that settles when both directions have ended, and never rejects
 */
export function relay(
  a: AbortableTransport | Transport,
  b: AbortableTransport | Transport,
  listener?: BreakListener,
): Promise<RelayEnd> {
  return new Promise((resolve) => {
    let left = 2;
    let broken: { readonly error: Error; readonly brokenBy?: "a" | "b" } | undefined;
    const over = (error?: Error, by?: "a" | "b") => {
      if (error !== undefined && broken === undefined) {
        broken = by === undefined ? { error } : { error, brokenBy: by };
        listener?.breaking();
        breakOff(a, error, by === "a");
        breakOff(b, error, by === "b");
      }
      if (--left > 0) return;
      closeQuietly(a);
      closeQuietly(b);
      resolve({ aToB: forth.carried, bToA: back.carried, ...broken });
    };
    const forth = direction(a, b, (error, by) => over(error, by && (by === "from" ? "a" : "b")));
    const back = direction(b, a, (error, by) => over(error, by && (by === "from" ? "b" : "a")));
    forth.begin();
    back.begin();
  });
}

function direction(from: Transport, to: Transport, over: Over): Direction {
  if (from instanceof Stream && !(to instanceof Stream)) return new StreamToSocket(from[state], to, over);
  if (to instanceof Stream && !(from instanceof Stream)) return new SocketToStream(from, to[state], over);
  return new Pump(from, to, over);
}

/** @param itself whether the transport has the error: a socket is then reset already, and its descriptor is hard to find */
function breakOff(transport: AbortableTransport | Transport, reason: Error, itself: boolean): void {
  const isReset = itself && !(transport instanceof Stream);
  if ("abort" in transport && !isReset) transport.abort(reason);
  else closeQuietly(transport);
}

/** Copies between two transports of any kind. */
class Pump implements Direction {
  carried = 0;
  readonly #from: Transport;
  readonly #to: Transport;
  readonly #over: Over;
  /** The end that is being read or written. */
  #active: "from" | "to" = "from";

  constructor(from: Transport, to: Transport, over: Over) {
    this.#from = from;
    this.#to = to;
    this.#over = over;
  }

  begin(): void {
    this.#run().then(() => this.#over(), (error) => this.#over(asError(error), this.#active));
  }

  async #run(): Promise<void> {
    const buffer = new Uint8Array(BUFFER);
    for (;;) {
      this.#active = "from";
      const length = await this.#from.read(buffer);
      this.#active = "to";
      if (length === null) break;
      for (let at = 0; at < length;) at += await this.#to.write(buffer.subarray(at, length));
      this.carried += length;
    }
    await this.#to.closeWrite();
  }
}
