/**
 * When a message goes. Each costs API server, kubelet and runtime some hundred microseconds, however little is in it: on a connection
 * whose messages carry many frames the next one waits until it, too, has about as many. What comes alone, as one client's requests do,
 * never waits.
 *
 * Hot path: counting a frame makes nothing; a message that waits makes a promise and, where its frames aren't there after a few turns
 * of the event loop, a timer.
 */
import { setImmediate } from "node:timers";

/** Turns of the event loop that frames are waited for at most, while more come in each. */
const TURNS = 8;
/** Frames of the usual message up to which nothing waits. */
const FEW = 2;
/** How many of the usual message's frames a message waits for. With all of them it would wait in vain for whoever has just stopped. */
const SHARE = 0.8;
/** Frames that are many enough, however many are usual. */
const MANY = 64;
/** Bytes of a frame up to which it's one of many. */
const SMALL = 4 * 1024;
/** Bytes that are a message by themselves. */
const ENOUGH = 32 * 1024;
/** One of so many messages weighs as much in what is usual. */
const MEMORY = 4;

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Calls `over` when frames have been waited for long enough, unless what it returns is called before. */
export type Pause = (over: () => void) => () => void;

/** Deno's shortest pause. */
const aMillisecond: Pause = (over) => {
  const timer = setTimeout(over, 1);
  return () => clearTimeout(timer);
};

export class WriteCoalescing {
  readonly #pause: Pause;
  /** Frames of the message that is being put together. */
  #frames = 0;
  /** Bytes that are to go. */
  #bytes = 0;
  /** Frames of a message, on average. */
  #usual = 0;
  /** Frames that are waited for, and who waits. */
  #wanted = 0;
  #reached: (() => void) | undefined;

  constructor(pause: Pause = aMillisecond) {
    this.#pause = pause;
  }

  /** A stream's frame of so many bytes was queued. */
  frame(bytes: number): void {
    if (bytes <= SMALL) this.#frames++;
    this.other(bytes);
  }

  /** So many bytes were queued that say nothing of how many frames are usual: the connection's own. */
  other(bytes: number): void {
    this.#bytes += bytes;
    if (this.#reached !== undefined && this.#enough(this.#wanted)) this.#reached();
  }

  /** Resolves when what is queued is to go as a message. @param queued bytes that were queued before this call and haven't gone */
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

  /** Resolves when a turn of the event loop has brought no frame. */
  async #settled(): Promise<void> {
    let before = 0;
    for (let i = 0; i < TURNS && this.#frames > before && this.#bytes < ENOUGH; i++) {
      before = this.#frames;
      await nextTurn();
    }
  }

  /** Resolves when so many frames are there, or bytes enough, or the pause is over. */
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
