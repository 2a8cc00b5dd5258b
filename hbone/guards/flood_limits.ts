import { ConnectionError, ErrorCode } from "../frames/errors.ts";
import { TokenBucket } from "../../async/token_bucket.ts";
import type { Limits } from "../frames/limits.ts";

/**
 * What a peer may do that costs us and leads nowhere, before the connection ends with ENHANCE_YOUR_CALM
 * (RFC 9113 §10.5). Each method throws ConnectionError once it is too much.
 */
export class FloodLimits {
  readonly #limits: Limits;
  readonly #idleFrames: TokenBucket;
  readonly #earlyResets: TokenBucket;
  readonly #streamErrors: TokenBucket;
  #unsentAnswers = 0;
  #flushing = false;

  constructor(limits: Limits) {
    this.#limits = limits;
    this.#idleFrames = new TokenBucket(limits.idleFrames, limits.idleFramesPerSecond);
    this.#earlyResets = new TokenBucket(limits.earlyResets, limits.earlyResetsPerSecond);
    this.#streamErrors = new TokenBucket(limits.streamErrors, limits.streamErrorsPerSecond);
  }

  /** A frame that says nothing. */
  idleFrame(what: string): void {
    if (!this.#idleFrames.take()) throw enough(`frames that say nothing, the last: ${what}`);
  }

  /** A stream was reset before it was answered: opening and resetting at once makes us work for nothing (CVE-2023-44487). */
  earlyReset(): void {
    if (!this.#earlyResets.take()) throw enough("streams reset before they were answered");
  }

  /** We have to reset a stream. */
  streamError(why: string): void {
    if (!this.#streamErrors.take()) throw enough(`streams in error, the last: ${why}`);
  }

  /** An answer is about to be queued; `flushed` says when the queue is empty. */
  answer(flushed: () => Promise<void>): void {
    if (++this.#unsentAnswers > this.#limits.unsentAnswers) {
      throw enough("questions, and the answers aren't read");
    }
    if (this.#flushing) return;
    this.#flushing = true;
    // Once this answer is in the queue.
    queueMicrotask(() =>
      flushed().then(() => {
        this.#flushing = false;
        this.#unsentAnswers = 0;
      })
    );
  }
}

function enough(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.ENHANCE_YOUR_CALM, `too many ${what}`);
}
