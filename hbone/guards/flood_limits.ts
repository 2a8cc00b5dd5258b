import { ConnectionError, ErrorCode } from "../frames/errors.ts";
import { TokenBucket } from "../../async/token_bucket.ts";
import type { Limits } from "../frames/limits.ts";

/**
 * Limits on frames that cost this end work without effect: rapid reset, PING and SETTINGS floods, empty frames
 * (RFC 9113 §10.5). Each method throws ConnectionError ENHANCE_YOUR_CALM when its limit is exceeded.
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

  /** Counts a frame without effect. */
  idleFrame(what: string): void {
    if (!this.#idleFrames.take()) throw enough(`frames without effect, the last: ${what}`);
  }

  /** Counts a stream that the peer reset before it was answered (rapid reset, CVE-2023-44487). */
  earlyReset(): void {
    if (!this.#earlyResets.take()) throw enough("streams reset before they were answered");
  }

  /** Counts a stream that this end has to reset. */
  streamError(why: string): void {
    if (!this.#streamErrors.take()) throw enough(`streams in error, the last: ${why}`);
  }

  /** Counts an acknowledgement that is about to be queued. `flushed` resolves when the queue is empty. */
  answer(flushed: () => Promise<void>): void {
    if (++this.#unsentAnswers > this.#limits.unsentAnswers) {
      throw enough("unread acknowledgements");
    }
    if (this.#flushing) return;
    this.#flushing = true;
    // After this acknowledgement was queued.
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
