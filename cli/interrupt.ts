/** How the shell names an end by SIGINT: 128 and its number. */
const INTERRUPTED = 130;

/** What a program that was started is told, where pmz is told it. */
const forwarded = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
export type ForwardedSignal = typeof forwarded[number];

/** Ctrl-C, a terminal that closes, and SIGTERM. */
const SIGNALS = ["SIGINT", "SIGHUP", "SIGTERM"] as const;

/** These signals as an AbortSignal: the first one interrupts the work, which is then undone; the second ends the process. */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  #isHandedOver = false;

  constructor() {
    for (const name of SIGNALS) Deno.addSignalListener(name, this.#onSignal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Until it's disposed of, signals interrupt nothing here: they are another one's. */
  handOver(to: (signal: ForwardedSignal) => void): Disposable {
    const listeners = forwarded.map((signal) => ({ signal, listener: () => to(signal) }));
    for (const { signal, listener } of listeners) Deno.addSignalListener(signal, listener);
    this.#isHandedOver = true;
    return {
      [Symbol.dispose]: () => {
        this.#isHandedOver = false;
        for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
      },
    };
  }

  [Symbol.dispose](): void {
    for (const name of SIGNALS) Deno.removeSignalListener(name, this.#onSignal);
  }

  readonly #onSignal = (): void => {
    if (this.#isHandedOver) return;
    if (this.#controller.signal.aborted) Deno.exit(INTERRUPTED);
    this.#controller.abort(new DOMException("interrupted", "AbortError"));
  };
}
