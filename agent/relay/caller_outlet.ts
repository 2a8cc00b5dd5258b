/**
 * Writes to a caller: what its server sends, and whole frames of others between. Hot path: while there are no others, each read of
 * the server's is one write, from where it lies.
 */
import { writeAll } from "../../http/byte_reader.ts";
import type { Transport } from "../../net/transport.ts";
import { FRAME_COST, joined, windowUpdate } from "../../hbone/mod.ts";

export class CallerOutlet {
  /** Bytes of frames that wait, and of memory that these cost. */
  waiting = 0;
  readonly #to: Transport;
  readonly #broke: (error: unknown) => void;
  /** Frames that wait for the end of a write, or of a frame. */
  #frames: Uint8Array[] = [];
  /** Bytes that the caller may send beyond those that its server allows. */
  #credit = 0;
  #isWriting = false;
  /** A frame was written of which more is to come, or none yet: a server's SETTINGS come first. */
  #isWithinFrame = true;
  #isClosed = false;
  /** Those who wait until nothing is being written, or nothing waits. */
  #waiting: (() => void)[] = [];

  /** @param broke called when frames can't be written */
  constructor(to: Transport, broke: (error: unknown) => void) {
    this.#to = to;
    this.#broke = broke;
  }

  /**
   * Writes what the server has sent.
   * @param boundary where other frames may come between; -1: nowhere
   * @param isWithinFrame whether others must not follow
   * @throws when the caller broke
   */
  async pass(parts: readonly Uint8Array[], boundary: number, isWithinFrame: boolean): Promise<void> {
    while (this.#isWriting && !this.#isClosed) await this.#changed();
    this.#isWriting = true;
    try {
      const [only] = parts;
      if (!this.#hasFrames && parts.length === 1 && only !== undefined) await writeAll(this.#to, only);
      else if (boundary < 0) await writeAll(this.#to, joined(parts));
      else {
        const bytes = joined(parts);
        await writeAll(this.#to, bytes.subarray(0, boundary));
        await this.#writeFrames();
        await writeAll(this.#to, bytes.subarray(boundary));
      }
      this.#isWithinFrame = isWithinFrame;
      if (!isWithinFrame && this.#hasFrames) await this.#writeFrames();
    } finally {
      this.#isWriting = false;
      this.#tellWaiting();
    }
  }

  /** Adds whole frames, which `flush` writes. */
  add(frames: Uint8Array): void {
    if (this.#isClosed) return;
    this.#frames.push(frames);
    this.waiting += frames.length + FRAME_COST;
  }

  /** Lets the caller send so many bytes more. */
  credit(bytes: number): void {
    this.#credit += bytes;
  }

  /** Writes the frames that were added as soon as that can be. */
  flush(): void {
    if (this.#hasFrames && !this.#isWriting && !this.#isWithinFrame && !this.#isClosed) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isWriting = true;
    try {
      await this.#writeFrames();
    } catch (error) {
      this.#broke(error);
    }
    this.#isWriting = false;
    this.#tellWaiting();
    this.flush();
  }

  /** Settles when no frame waits any more. */
  async drained(): Promise<void> {
    while (!this.isDrained) await this.#changed();
  }

  /** Whether no frame waits. */
  get isDrained(): boolean {
    return !this.#isWriting && !this.#hasFrames || this.#isClosed;
  }

  /** Nothing more is written. */
  close(): void {
    this.#isClosed = true;
    this.#frames = [];
    this.#tellWaiting();
  }

  get #hasFrames(): boolean {
    return this.#frames.length > 0 || this.#credit > 0;
  }

  async #writeFrames(): Promise<void> {
    while (this.#hasFrames) {
      const frames = this.#frames;
      this.#frames = [];
      this.waiting = 0;
      if (this.#credit > 0) frames.unshift(windowUpdate(0, this.#credit));
      this.#credit = 0;
      const bytes = joined(frames);
      for (let at = 0; at < bytes.length;) {
        at += await this.#to.write(at === 0 ? bytes : bytes.subarray(at));
      }
    }
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #tellWaiting(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
