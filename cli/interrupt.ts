/** How the shell names an end by SIGINT: 128 and its number. */
const INTERRUPTED = 130;

/** Ctrl-C as an AbortSignal: the first one interrupts the work, which is then undone; the second ends the process. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();

  constructor() {
    Deno.addSignalListener("SIGINT", this.#onSignal);
    Deno.addSignalListener("SIGTERM", this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGINT", this.#onSignal);
    Deno.removeSignalListener("SIGTERM", this.#onSignal);
  }

  readonly #onSignal = (): void => {
    if (this.#controller.signal.aborted) Deno.exit(INTERRUPTED);
    this.#controller.abort(new DOMException("interrupted", "AbortError"));
  };
}
