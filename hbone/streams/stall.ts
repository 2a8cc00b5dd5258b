import type { ConnectionWindow } from "./flow_control.ts";
import { ErrorCode } from "../frames/errors.ts";
import type { StreamTable } from "./stream_table.ts";

/**
 * Watches for unread streams that fill the connection's buffers, so that all other streams wait for them. If that lasts, the
 * fullest streams are reset, so that the others can continue.
 */
export class StallWatch {
  readonly #window: ConnectionWindow;
  readonly #streams: StreamTable;
  readonly #afterMs: number;
  #stopped = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(window: ConnectionWindow, streams: StreamTable, afterMs: number) {
    this.#window = window;
    this.#streams = streams;
    this.#afterMs = afterMs;
  }

  /** To be called when bytes arrived. */
  check(): void {
    if (this.#window.held && !this.#stopped) this.#timer ??= setTimeout(() => this.#relieve(), this.#afterMs);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #relieve(): void {
    this.#timer = undefined;
    if (!this.#window.held) return;
    const enough = this.#window.allowed / 2;
    const error = new Error("the stream wasn't read, and the connection's buffers were full");
    for (const stream of this.#streams.byBuffered()) {
      if (this.#window.buffered <= enough) return;
      stream.reset(ErrorCode.ENHANCE_YOUR_CALM, error);
    }
  }
}
