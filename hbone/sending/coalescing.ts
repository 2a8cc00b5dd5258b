/**
 * Write coalescing: decides when queued frames are written as one message. Each message costs the API server, kubelet and container
 * runtime some hundred microseconds, whatever its size. So on a connection whose messages usually carry many frames, the next message
 * waits until it has about as many. A frame that comes alone, as one client's requests do, never waits.
 *
 * Hot path: counting a frame allocates nothing. A message that waits costs a promise and, if its frames don't come within a few turns
 * of the event loop, a timer.
 */
import { setImmediate } from "node:timers";

/** Turns of the event loop to wait at most, as long as each brings more frames. */
const TURNS = 8;
/** Up to this many frames in the usual message, nothing waits. */
const FEW = 2;
/** The share of the usual message's frames to wait for. With all of them it would wait in vain for a sender that has just stopped. */
const SHARE = 0.8;
/** Frames that are enough, however many are usual. */
const MANY = 64;
/** Frames up to this many bytes count as small. */
const SMALL = 4 * 1024;
/** Bytes that are enough for a message. */
const ENOUGH = 32 * 1024;
/** Weight of one message in the moving average: one in so many. */
const MEMORY = 4;

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Calls `over` after a pause, unless the function that it returns is called before. */
export type Pause = (over: () => void) => () => void;

/** Deno's shortest pause. */
const aMillisecond: Pause = (over) => {
  const timer = setTimeout(over, 1);
  return () => clearTimeout(timer);
};

export class WriteCoalescing {
  readonly #pause: Pause;
  /** Frames of the message being assembled. */
  #frames = 0;
  /** Bytes queued for it. */
  #bytes = 0;
  /** Moving average of frames in a message. */
  #usual = 0;
  /** The number of frames waited for, and the waiter. */
  #wanted = 0;
  #reached: (() => void) | undefined;

  constructor(pause: Pause = aMillisecond) {
    this.#pause = pause;
  }

  /** Counts a stream's frame of `bytes` bytes. */
  frame(bytes: number): void {
    if (bytes <= SMALL) this.#frames++;
    this.other(bytes);
  }

  /** Counts bytes of the connection's own frames, which say nothing about how many frames are usual. */
  other(bytes: number): void {
    this.#bytes += bytes;
    if (this.#reached !== undefined && this.#enough(this.#wanted)) this.#reached();
  }

  /** Resolves when the queued frames should be written as a message. @param queued bytes that were queued before this call and aren't written */
  async ready(queued: number): Promise<void> {
    this.#bytes = queued;
    await undefined;
    if (this.#usual > FEW && this.#bytes < ENOUGH) {
      await this.#settled();
      const wanted = Math.min(this.#usual * SHARE, MANY);
      if (!this.#enough(wanted)) {
        await this.#come(wanted);
        await this.#settled();
      }
    }
    this.#usual += (this.#frames - this.#usual) / MEMORY;
    this.#frames = 0;
  }

  #enough(frames: number): boolean {
    return this.#frames >= frames || this.#bytes >= ENOUGH;
  }

  /** Resolves when a turn of the event loop brought no frame. */
  async #settled(): Promise<void> {
    let before = 0;
    for (let i = 0; i < TURNS && this.#frames > before && this.#bytes < ENOUGH; i++) {
      before = this.#frames;
      await nextTurn();
    }
  }

  /** Resolves when there are so many frames, or enough bytes, or the pause has passed. */
  async #come(frames: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wanted = frames;
    this.#reached = resolve;
    const stop = this.#pause(resolve);
    await promise;
    stop();
    this.#reached = undefined;
  }
}
