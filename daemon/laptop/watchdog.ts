import { type Clock, systemClock } from "../../async/clock.ts";

/** Between two questions, in milliseconds. */
const ASK_MS = 1_000;
/**
 * Pauses without an answer after which it hangs. They are counted, not the time: when the whole process has stood still, one of them is
 * over at once.
 */
const SILENT_PAUSES = 5;

export interface WatchdogParts {
  /** Asks what is watched; rejects, or never settles, where it doesn't answer. */
  readonly ask: () => Promise<unknown>;
  /** Called once. */
  readonly hangs: () => void;
  readonly clock?: Clock;
}

/** Finds out that something no longer answers, within five to six seconds. */
export class Watchdog implements Disposable {
  readonly #parts: Required<WatchdogParts>;
  #isAnswered = true;
  #silentPauses = 0;
  #timer: Disposable;

  constructor(parts: WatchdogParts) {
    this.#parts = { clock: systemClock, ...parts };
    this.#timer = this.#again();
  }

  #again(): Disposable {
    return this.#parts.clock.after(ASK_MS, () => this.#look());
  }

  #look(): void {
    if (this.#isAnswered) {
      this.#isAnswered = false;
      this.#silentPauses = 0;
      this.#parts.ask().then(() => this.#isAnswered = true, () => {});
    } else if (++this.#silentPauses >= SILENT_PAUSES) return this.#parts.hangs();
    this.#timer = this.#again();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
