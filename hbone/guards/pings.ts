import { withTimeout } from "../../async/timeout.ts";
import { TooManyStreams } from "../frames/errors.ts";
import { readUint32, writeUint32 } from "../frames/frame.ts";
import type { RoundTrip } from "./round_trip.ts";

/** Milliseconds between PINGs that only measure the round trip. */
const MEASURE_EVERY_MS = 200;

/** The peer, as PINGs need it. */
export interface PingedPeer {
  send(payload: Uint8Array): void;
  /** A number that grows whenever anything arrives from the peer. */
  heard(): number;
}

/** Sends PINGs and matches their answers (RFC 9113 §6.7). */
export class Pings {
  readonly #limit: number;
  readonly #roundTrip: RoundTrip;
  readonly #peer: PingedPeer;
  readonly #waiting = new Map<number, { resolve(): void; reject(error: Error): void }>();
  #next = 1;
  /** The PING that only measures: its number while it is unanswered (else 0), and when it was sent. */
  #measuring = 0;
  #measured = -Infinity;

  /** @param limit PINGs that may wait for an answer. */
  constructor(limit: number, roundTrip: RoundTrip, peer: PingedPeer) {
    this.#limit = limit;
    this.#roundTrip = roundTrip;
    this.#peer = peer;
  }

  /** Resolves with the round trip in milliseconds. Rejects when nothing at all arrives for `timeoutMs` milliseconds. */
  async ping(timeoutMs: number): Promise<number> {
    if (this.#waiting.size >= this.#limit) {
      throw new TooManyStreams(`${this.#limit} PINGs wait for an answer already`);
    }
    const answer = Promise.withResolvers<void>();
    const start = performance.now();
    const number = this.#sendNext();
    this.#waiting.set(number, answer);
    try {
      await this.#unlessSilent(answer.promise, timeoutMs);
      const end = performance.now();
      this.#roundTrip.sample(end - start, end);
      return end - start;
    } finally {
      this.#waiting.delete(number);
    }
  }

  async #unlessSilent(answer: Promise<void>, timeoutMs: number): Promise<void> {
    for (;;) {
      const heard = this.#peer.heard();
      try {
        return await withTimeout(answer, timeoutMs);
      } catch (error) {
        const late = error instanceof DOMException && error.name === "TimeoutError";
        if (!late || this.#peer.heard() === heard) throw error;
      }
    }
  }

  /** Measures the round trip unless that was done recently. The PING goes out with the WINDOW_UPDATE queued at `now`. */
  measure(now: number): void {
    if (this.#measuring !== 0 || now - this.#measured < MEASURE_EVERY_MS) return;
    this.#measured = now;
    this.#measuring = this.#sendNext();
  }

  answered(payload: Uint8Array): void {
    const number = readUint32(payload, 4);
    if (number !== 0 && number === this.#measuring) {
      this.#measuring = 0;
      const now = performance.now();
      this.#roundTrip.sample(now - this.#measured, now);
    } else this.#waiting.get(number)?.resolve();
  }

  fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #sendNext(): number {
    const number = this.#next;
    this.#next = number === 0xffffffff ? 1 : number + 1;
    const payload = new Uint8Array(8);
    writeUint32(payload, 4, number);
    this.#peer.send(payload);
    return number;
  }
}
