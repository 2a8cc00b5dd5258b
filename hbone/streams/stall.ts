import type { ConnectionWindow } from "./flow_control.ts";
import { ErrorCode } from "../frames/errors.ts";
import type { StreamTable } from "./stream_table.ts";

/**
 * Streams that nobody reads can come to hold all that may be buffered, and then every other waits for them. That may
 * pass; if it doesn't, those that hold the most are reset, so that the others go on.
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

  /** Bytes came. */
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
    const enough = this.#window.cap / 2;
    const error = new Error("nobody read it, and the connection's buffers were full");
    for (const stream of this.#streams.byBuffered()) {
      if (this.#window.buffered <= enough) return;
      stream.reset(ErrorCode.ENHANCE_YOUR_CALM, error);
    }
  }
}
