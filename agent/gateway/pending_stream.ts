import type { Stream } from "../../hbone/mod.ts";

/** Made once: creating an error costs more than the rest of a short stream's life here. */
export const CANCELLED: Error = new Error("the laptop closed the stream before the target answered");

/** A stream that waits for its target: the signal is aborted when it closes before this is disposed of. */
export class PendingStream implements Disposable {
  readonly signal: AbortSignal;
  /** Undefined once it no longer waits: the stream may live for long. */
  #controller: AbortController | undefined;

  constructor(stream: Stream) {
    const controller = new AbortController();
    this.#controller = controller;
    this.signal = controller.signal;
    stream.closed.then(() => this.#controller?.abort(CANCELLED));
  }

  [Symbol.dispose](): void {
    this.#controller = undefined;
  }
}
