import type { AbortableTransport, Transport } from "../../net/transport.ts";
import { asError } from "../frames/errors.ts";
import type { Direction, Over } from "./direction.ts";
import { StreamDrain } from "./stream_to_socket.ts";
import { StreamFill } from "./socket_to_stream.ts";
import { state, Stream } from "../streams/stream.ts";

/** Bytes of the buffer between two ends that are no streams. */
const BUFFER = 64 * 1024;

export interface RelayEnd {
  /** Bytes that went from the first to the second, and back. */
  readonly aToB: number;
  readonly bToA: number;
  /** What broke first; undefined when both directions came to their end. */
  readonly error?: Error;
}

/**
 * Carries bytes both ways between a socket and a stream (or any two) and closes both in the end. An end of one side's
 * direction is passed on as an end, a break on one side breaks the other off (`abort`, where it can; never a clean end
 * of a stream), and so does an answer to a CONNECT of ours that isn't 2xx (the error is then ConnectRefused). Settles when both directions are over; never rejects.
 */
export function relay(
  a: AbortableTransport | Transport,
  b: AbortableTransport | Transport,
): Promise<RelayEnd> {
  return new Promise((resolve) => {
    let left = 2;
    let broken: Error | undefined;
    const over = (error?: Error, by?: Transport) => {
      if (error !== undefined && broken === undefined) {
        broken = error;
        // What broke by itself needs no breaking off: of a socket, finding out that it's gone takes longest.
        for (const each of [a, b]) {
          if (each === by) close(each);
          else breakOff(each, error);
        }
      }
      if (--left > 0) return;
      close(a);
      close(b);
      const counts = { aToB: forth.carried, bToA: back.carried };
      resolve(broken === undefined ? counts : { ...counts, error: broken });
    };
    const forth = direction(a, b, over);
    const back = direction(b, a, over);
    forth.begin();
    back.begin();
  });
}

function direction(from: Transport, to: Transport, over: Over): Direction {
  if (from instanceof Stream && !(to instanceof Stream)) return new StreamDrain(from[state], to, over);
  if (to instanceof Stream && !(from instanceof Stream)) return new StreamFill(from, to[state], over);
  return new Pump(from, to, over);
}

function breakOff(transport: AbortableTransport | Transport, reason: Error): void {
  if ("abort" in transport) transport.abort(reason);
  else close(transport);
}

function close(transport: Transport): void {
  try {
    transport.close();
  } catch {
    // Closed before, by its own break.
  }
}

/** Between two of any kind. */
class Pump implements Direction {
  carried = 0;
  readonly #from: Transport;
  readonly #to: Transport;
  readonly #over: Over;

  constructor(from: Transport, to: Transport, over: Over) {
    this.#from = from;
    this.#to = to;
    this.#over = over;
  }

  begin(): void {
    this.#run().then(() => this.#over(), (error) => this.#over(asError(error)));
  }

  async #run(): Promise<void> {
    const buffer = new Uint8Array(BUFFER);
    for (;;) {
      const length = await this.#from.read(buffer);
      if (length === null) break;
      for (let at = 0; at < length;) at += await this.#to.write(buffer.subarray(at, length));
      this.carried += length;
    }
    await this.#to.closeWrite();
  }
}
