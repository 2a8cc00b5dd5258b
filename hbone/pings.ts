import { deadline } from "@std/async/deadline.js";
import { readUint32, writeUint32 } from "./frame.ts";
import { TooManyStreams } from "./errors.ts";

/** PINGs of ours that wait for their answers (RFC 9113 §6.7). */
export class Pings {
  readonly #limit: number;
  readonly #send: (payload: Uint8Array) => void;
  readonly #waiting = new Map<number, { resolve(): void; reject(error: Error): void }>();
  #next = 1;

  constructor(limit: number, send: (payload: Uint8Array) => void) {
    this.#limit = limit;
    this.#send = send;
  }

  /** Resolves with the round trip in milliseconds. */
  async ping(timeoutMs: number): Promise<number> {
    if (this.#waiting.size >= this.#limit) {
      throw new TooManyStreams(`${this.#limit} PINGs wait for an answer already`);
    }
    const number = this.#next++ >>> 0;
    const payload = new Uint8Array(8);
    writeUint32(payload, 4, number);
    const answer = Promise.withResolvers<void>();
    this.#waiting.set(number, answer);
    const start = performance.now();
    try {
      this.#send(payload);
      await deadline(answer.promise, timeoutMs);
      return performance.now() - start;
    } finally {
      this.#waiting.delete(number);
    }
  }

  answered(payload: Uint8Array): void {
    this.#waiting.get(readUint32(payload, 4))?.resolve();
  }

  fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
